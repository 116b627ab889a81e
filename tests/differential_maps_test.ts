/** The id maps of unshare(1) and ours, side by side. */
import {
  type Case,
  CREDENTIALS,
  differential,
  type Fixture,
  USERNS,
  words,
} from "./differential.ts";
import { as, ETC, inBareEtc, inEtc } from "./users.ts";

const MAPS = words("head -v /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups");

const FIXTURES: Fixture[] = [
  ...ETC,
  { path: "no" },
  { path: "uid" },
  { path: "uid/newuidmap", link: "/usr/bin/newuidmap" },
  { path: "gid" },
  { path: "gid/newgidmap", link: "/usr/bin/newgidmap" },
  { path: "shows" },
  { path: "shows/newuidmap", text: '#!/bin/sh\necho uid "$@"\n' },
  { path: "shows/newgidmap", text: '#!/bin/sh\necho gid "$@"\n' },
  { path: "fails" },
  { path: "fails/newuidmap", text: "#!/bin/sh\nexit 9\n" },
  { path: "fails/newgidmap", text: "#!/bin/sh\necho not reached\n" },
  { path: "denied" },
  { path: "denied/newuidmap", text: "#!/bin/sh\n", mode: 0o644 },
];

const ROOT = inEtc();
const ALICE = inEtc(...as(1000));

/** What comes of it for root, who writes maps as they are. */
function root(name: string, argv: string[] | string, program = MAPS): Case {
  return {
    name,
    via: ROOT,
    argv: [...wordsOf(argv), ...program],
    needs: [USERNS],
    maskPid: "stderr",
  };
}

/** What comes of it for alice, whose ranges newuidmap(1) and newgidmap(1) write. */
function alice(name: string, argv: string[] | string, program = MAPS): Case {
  return {
    name: `as an ordinary user, ${name}`,
    via: ALICE,
    argv: [...wordsOf(argv), ...program],
    needs: [USERNS, "newuidmap", "newgidmap"],
    maskPid: "stderr",
  };
}

function wordsOf(argv: string[] | string): string[] {
  return typeof argv === "string" ? words(argv) : argv;
}

const single: Case[] = [
  root("--map-user with a number", "--map-user 7"),
  root("--map-user with a name", "--map-user=alice"),
  root("--map-user with a name that looks like a number", "--map-user 7000"),
  root("--map-user with the number of a user", "--map-user 77"),
  root("--map-user with a blank and a sign", ["--map-user", " +7"]),
  root("--map-user cuts ids to 32 bits", "--map-user 4294967303"),
  root("--map-user with an unknown name", "--map-user nobody-known"),
  root("--map-user with an empty name", ["--map-user", ""]),
  root("--map-user with a negative number", "--map-user=-1"),
  root("--map-user with a number that is too large", "--map-user=99999999999999999999"),
  root("--map-user with hexadecimal digits", "--map-user 0x7"),
  root("--map-group with a number", "--map-group 7"),
  root("--map-group with a name", "--map-group=staff"),
  root("--map-group with a name that looks like a number", "--map-group 8000"),
  root("--map-group with a user's name that is no group's", "--map-group bob"),
  root("--map-group with a negative number", "--map-group -1"),
  root("--map-user and --map-group", "--map-user 7 --map-group staff"),
  root("the last --map-user wins", "--map-user 7 --map-user 8"),
  root("-r after --map-user wins", "--map-user 7 -r"),
  root("--map-user after -r wins, and the group stays", "-r --map-user 7"),
  root("--map-group after -c wins, and the user stays", "-c --map-group 7"),
  root("--map-user shows in the program's ids", "--map-user 7 --map-group 8", CREDENTIALS),
  alice("--map-user maps her own id", "--map-user 7 --map-group staff"),
  alice("--map-user with a name", "--map-user bob"),
  alice("-c in a child", "-cf"),
];

const ranges: Case[] = [
  root("a range", "--map-users 0:100000:50"),
  root("a range of groups", "--map-groups 0:100000:50"),
  root("ranges of both", "--map-users 0:100000:50 --map-groups=5:200000:60"),
  root("the older form of a range", "--map-users 100000,0,50 --map-groups 200000,5,60"),
  root("several ranges", "--map-users 0:0:1 --map-users 1:100000:50 --map-users 60:60:5"),
  root("several ranges in both forms", "--map-users 0:0:1 --map-users 100000,1,50"),
  root("several ranges of groups out of order", "--map-groups 60:60:5 --map-groups 1:7:3"),
  root("the whole range", "--map-users 0:0:4294967295"),
  root("all", "--map-users all --map-groups all"),
  {
    ...root("all is what there is", "--map-users all --map-groups=all"),
    via: inEtc(...words("{unshare} --map-users 0:0:7 --map-users 20:9:1 --map-groups 0:0:3")),
    argv: [...words("--map-users all --map-groups=all"), ...MAPS],
  },
  root("a leading zero is decimal", "--map-users 010:010:010"),
  root("blanks and signs before the numbers", ["--map-users", " 1:\t+2: 3"]),
  root("numbers are cut to 32 bits", "--map-users 4294967296:4294967297:4294967298"),
  root("an empty range maps nothing", "--map-users 5:0:0"),
  root("an empty range beside another one", "--map-users 5:0:0 --map-users 7:0:1"),
  root("a range inside that overlaps another one", "--map-users 0:0:5 --map-users 4:10:5"),
  root("a range outside that overlaps another one", "--map-users 0:0:5 --map-users 10:4:5"),
  root("340 ranges", manyRanges(340)),
  root("341 ranges are too many", manyRanges(341)),
  root("a range in a child", "-f --map-users 0:0:10 --map-groups 0:0:20"),
  root("ranges show in the program's ids", "--map-users 5:0:10 --map-groups 6:0:1", CREDENTIALS),
  root("a range without one's own id", "--map-users 5:5:10 --map-groups 6:6:1", CREDENTIALS),
  root("-S of a mapped id", "--map-users 0:0:10 --map-groups 0:0:10 -S 5 -G 6", CREDENTIALS),
  root("-S of an id that is not mapped", "--map-users 0:0:10 -S 10", CREDENTIALS),
  alice("a range that is hers", "--map-users 0:100000:50"),
  alice("ranges of both that are hers", "--map-users 0:100500:500 --map-groups 5:110000:60"),
  alice("a range of groups", "--map-groups 0:111999:1"),
  alice("a range that is another's", "--map-users 0:200000:50"),
  alice("a range that ends too late", "--map-users 0:100500:501 --map-groups 0:110000:9"),
  alice("a range of groups that is another's", "--map-users 0:100000:9 --map-groups 0:9:9"),
  alice("her own id as a range", "--map-users 0:1000:1 --map-groups 0:1000:1"),
  alice("all is refused", "--map-users all"),
  alice("the second range of hers", "--map-users 0:300000:10"),
  alice("an empty range", "--map-users 5:100000:0"),
  alice("a range in a child", "-f --map-users 0:100000:50 --map-groups 0:110000:50"),
  alice("-S of a mapped id", "-r --map-auto -S 5 -G 6", CREDENTIALS),
  ...words("0 0:0 0:0: 0:0:1: 0:0:1x 0:0,1 0,0:1 0x1:0:1 ALL auto,subids all:0:1 :0:0:1 0:-:1")
    .map((text) => root(`'${text}' is no mapping`, `--map-users ${text}`)),
  root("'' is no mapping", ["--map-users="]),
  root("a blank behind a number is no mapping", ["--map-users", "1 :0:1"]),
  root("a bad mapping of groups", "--map-groups 1"),
  root("a missing mapping", "--map-users", []),
];

const subordinate: Case[] = [
  root("--map-auto is for root what no number is", "--map-auto"),
  root("--map-subids is for root what no number is", "--map-subids"),
  root("-r --map-auto", "-r --map-auto"),
  alice("--map-auto", "--map-auto"),
  alice("--map-subids", "--map-subids"),
  alice("-r --map-auto", "-r --map-auto"),
  alice("--map-auto -r", "--map-auto -r"),
  alice("-r --map-subids", "-r --map-subids"),
  alice("-c --map-auto", "-c --map-auto"),
  alice("-c --map-subids", "-c --map-subids"),
  alice("--map-user with --map-auto", "--map-user 5 --map-group staff --map-auto"),
  alice("--map-user with --map-subids", "--map-user 100010 --map-subids"),
  alice("--map-user above --map-auto", "--map-user 5000 --map-group 5000 --map-auto"),
  alice("--map-users auto leaves the group to -r", "-r --map-users auto"),
  alice("--map-groups subids leaves the user to -r", "-r --map-groups=subids"),
  alice("auto and subids of a kind", "--map-users auto --map-groups subids"),
  alice("--map-auto twice", "--map-auto --map-users=auto"),
  alice("a range behind --map-auto", "--map-auto --map-users 5000:300000:10"),
  { ...alice("a number in /etc/subuid", "--map-auto"), via: inEtc(...as(1001)) },
  { ...alice("an empty range in /etc/subuid", "--map-users auto"), via: inEtc(...as(1002)) },
  { ...alice("no line in /etc/subgid", "--map-auto"), via: inEtc(...as(1002)) },
  { ...alice("no number in /etc/subuid", "--map-users auto"), via: inEtc(...as(1003)) },
  { ...alice("text behind a number in /etc/subgid", "--map-groups auto"), via: inEtc(...as(1003)) },
  { ...alice("no colon in /etc/subuid", "--map-auto"), via: inEtc(...as(1004)) },
  { ...alice("one colon in /etc/subgid", "--map-groups auto"), via: inEtc(...as(1004)) },
  { ...alice("three colons in /etc/subgid", "--map-groups auto"), via: inEtc(...as(1005)) },
  { ...alice("a blank in /etc/subuid", "--map-users subids"), via: inEtc(...as(1005)) },
  { ...alice("a user without a name", "--map-auto"), via: inEtc(...as(4242)) },
  { ...alice("no /etc/subuid", "--map-users auto"), via: inBareEtc(...as(1000)) },
  { ...alice("no /etc/subgid", "--map-groups auto"), via: inBareEtc(...as(1000)) },
];

/** Looks programs up in a directory of the fixtures. */
function withPath(directory: string): string[] {
  return [...ALICE, "env", `PATH={tmp}/${directory}`];
}

const AUTO = "-r --map-auto";
const HEAD = ["/usr/bin/head", ...MAPS.slice(1)];
const mappers: Case[] = [
  { ...alice("without newuidmap", AUTO, HEAD), via: withPath("no") },
  { ...alice("without newuidmap, in a child", `-f ${AUTO}`, HEAD), via: withPath("no") },
  { ...alice("without newgidmap", AUTO, HEAD), via: withPath("uid") },
  { ...alice("with newgidmap only", AUTO, HEAD), via: withPath("gid") },
  { ...alice("only newuidmap is needed", "--map-users auto", HEAD), via: withPath("uid") },
  { ...alice("only newgidmap is needed", "--map-groups auto", HEAD), via: withPath("gid") },
  {
    ...alice("what newuidmap is given", "-r --map-auto --map-users 5000:1:2", HEAD),
    via: withPath("shows"),
    maskPid: true,
  },
  { ...alice("a newuidmap that fails", AUTO, HEAD), via: withPath("fails") },
  { ...alice("a newuidmap that is no program", AUTO, HEAD), via: withPath("denied") },
];

const merged: Case[] = [
  root("-r before a range", "-r --map-users 0:100000:50"),
  root("-r behind a range", "--map-users 0:100000:50 -r"),
  root("--map-user within a range", "--map-user 10 --map-users 0:100000:20"),
  root("--map-user in a range that has both ids", "--map-user 5 --map-users 0:0:20"),
  root("-r with all", "-r --map-users all"),
  root("-c with all", "-c --map-users all --map-groups all"),
  root("a range that ends before the id inside", "--map-user 20 --map-users 0:100000:20"),
  root("a range that ends with the id inside", "--map-user 19 --map-users 0:100000:20"),
  root("a range that begins with the id inside", "--map-user 5 --map-users 5:100000:20"),
  root("a range that ends before the id outside", "--map-user 50 --map-users 0:1:20"),
  root("a range of the id inside only", "--map-user 5 --map-users 5:100000:1"),
  root("a range of the id outside only", "--map-user 5 --map-users 100:0:1"),
  root("a range that is the single id", "--map-user 5 --map-users 5:0:1"),
  root("several ranges around the id", "--map-user 5 --map-users 0:7:10 --map-users 10:20:9"),
  root("ranges of both around ids", "-r --map-users 0:100000:50 --map-groups 0:0:60"),
  root("--map-group and a range of users", "--map-group 5 --map-users 0:0:20"),
  root("--map-user and a range of groups", "--map-user 5 --map-groups 0:0:20"),
  root("no setgroups is denied with a range of groups", "-r --map-groups 0:0:20 -G 5", CREDENTIALS),
  ...drawn(24, 0).map((argv, i) => root(`ranges drawn at random, ${i}`, argv)),
  ...drawn(8, 100_000).map((argv, i) => alice(`ranges drawn at random, ${i}`, argv)),
];

const groups: Case[] = [
  root("--setgroups=deny with -U", "-U --setgroups deny"),
  root("--setgroups=allow with -U", "-U --setgroups=allow"),
  root("--setgroups=deny with -r", "-r --setgroups=deny"),
  root("--setgroups=allow with -r", "-r --setgroups=allow"),
  root("--setgroups=allow before -c", "--setgroups=allow -c"),
  root("--setgroups=allow with --map-group", "--setgroups allow --map-group 5"),
  root("--setgroups=allow with --map-user only", "--setgroups allow --map-user 5"),
  root("--setgroups=deny with a range", "--setgroups deny --map-groups 0:0:5"),
  root("--setgroups=allow with a range", "-r --setgroups allow --map-groups 0:0:5"),
  root("--setgroups=allow with -r and a range of users", "-r --setgroups allow --map-users 0:0:5"),
  root("the last --setgroups wins", "-U --setgroups allow --setgroups deny"),
  root("--setgroups=deny in a child", "-Uf --setgroups deny"),
  root("-G after --setgroups=deny", "--map-users 0:0:9 --setgroups deny -G 0"),
  { ...root("--setgroups without a user namespace", "--setgroups deny"), via: ["{unshare}", "-r"] },
  { ...root("--setgroups=allow after deny", "--setgroups allow"), via: ["{unshare}", "-r"] },
  root("an unknown --setgroups", "-U --setgroups maybe"),
  root("an empty --setgroups", ["-U", "--setgroups="]),
  root("--setgroups in capitals", "-U --setgroups DENY"),
  alice("--setgroups=deny with -U", "-U --setgroups deny"),
  alice("--setgroups=allow with -r", "-r --setgroups allow"),
  alice("--setgroups=allow with --map-auto", "--map-auto --setgroups allow"),
  alice("--setgroups=deny with --map-auto", "--map-auto --setgroups deny"),
  alice("--setgroups without a user namespace", "--setgroups deny"),
];

const capabilities: Case[] = [
  root("--keep-caps with -c", "-c --keep-caps", CREDENTIALS),
  root("--keep-caps with -r", "-r --keep-caps", CREDENTIALS),
  root("--keep-caps with -U only", "-U --keep-caps", CREDENTIALS),
  root("--keep-caps without a user namespace", "-u --keep-caps", CREDENTIALS),
  root("--keep-caps with --map-user", "--map-user 7 --keep-caps", CREDENTIALS),
  root("--keep-caps in a child", "-cf --keep-caps", CREDENTIALS),
  root("--keep-caps with -S", "--map-users 0:0:9 -S 5 --keep-caps", CREDENTIALS),
  alice("--keep-caps with -c", "-c --keep-caps", CREDENTIALS),
  alice("--keep-caps with -r", "-r --keep-caps", CREDENTIALS),
  alice("--keep-caps without a user namespace", "--keep-caps", CREDENTIALS),
  alice("--keep-caps with --map-auto", "-c --map-auto --keep-caps", CREDENTIALS),
];

/** So many ranges of one id each, out of order. */
function manyRanges(count: number): string[] {
  return Array.from({ length: count }, (_, i) => ["--map-users", `${(i * 7) % count}:${i}:1`])
    .flat();
}

/** Command lines with ranges that do not overlap, the same ones at each run. */
function drawn(count: number, outside: number): string[][] {
  let state = 1 + outside;
  const draw = (below: number): number => {
    state = Math.imul(state, 1103515245) + 12345 & 0x7fffffff;
    return (state >> 16) % below;
  };
  const several = (option: string): string[] => {
    let [i, o] = [draw(4), outside + draw(4)];
    return Array.from({ length: 1 + draw(3) }, () => {
      const size = 1 + draw(12);
      const range = `${option}=${i}:${o}:${size}`;
      i += size + draw(3);
      o += size + draw(3);
      return range;
    });
  };
  return Array.from({ length: count }, () => [
    ...[["-r"], ["-c"], ["--map-user", `${draw(30)}`], []][draw(4)]!,
    ...draw(2) === 0 ? ["--map-group", `${draw(30)}`] : [],
    ...several("--map-users"),
    ...draw(2) === 0 ? several("--map-groups").map((word) => word.replace(":1000", ":1100")) : [],
  ]);
}

differential("unshare", [
  ...single,
  ...ranges,
  ...subordinate,
  ...mappers,
  ...merged,
  ...groups,
  ...capabilities,
], FIXTURES);
