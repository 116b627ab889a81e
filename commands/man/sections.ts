/**
 * What pages have besides that which the commands say of themselves.
 *
 * @module
 */

/** A command line, with what it does. */
export type Example = readonly [does: string, line: string];

/** Further sections of a page. */
export interface Sections {
  /** What is told of the exit status. */
  readonly status?: string;
  /** Command lines. */
  readonly examples?: readonly Example[];
  /** Words that are explained, under a headline. */
  readonly terms?: {
    readonly headline: string;
    readonly rows: readonly (readonly [term: string, text: string])[];
  };
  /** Other pages. */
  readonly seeAlso: readonly string[];
}

const OF_A_PROGRAM =
  "The exit status is that of the program. If a signal ended the program, the same signal " +
  "ends this command. It is 127 if there is no such program, 126 if it can't be run, and 1 " +
  "if anything else fails.";

/** The sections of each command's page. */
export const SECTIONS: Readonly<Record<string, Sections>> = {
  unshare: {
    status: OF_A_PROGRAM,
    examples: [
      [
        "A shell as root and as process 1, for an ordinary user:",
        "denspace unshare -Urpf --mount-proc",
      ],
      ["A network of its own, with nothing in it:", "denspace unshare -Ur --net ip link"],
      ["Say what that would do, and do nothing:", "denspace explain unshare -Ur --net ip link"],
    ],
    seeAlso: ["denspace-emit 1", "denspace-explain 1", "unshare 1", "unshare 2", "namespaces 7"],
  },
  nsenter: {
    status: OF_A_PROGRAM,
    examples: [
      ["A shell in the world of process 1234:", "denspace nsenter --pid 1234"],
      ["Only in its network:", "denspace nsenter --target 1234 --net ip address"],
    ],
    seeAlso: ["denspace-lsns 1", "nsenter 1", "setns 2", "namespaces 7"],
  },
  run: { seeAlso: ["denspace-unshare 1", "namespaces 7", "pivot_root 2"] },
  diff: { seeAlso: ["denspace-run 1"] },
  explain: {
    examples: [
      ["Why does it fail?", "denspace explain unshare --mount-proc ps"],
      ["The same as data:", "denspace explain --json unshare --mount-proc ps"],
    ],
    terms: {
      headline: "JSON",
      rows: [
        ["command", "The arguments."],
        ["user", "The uid, the gid, and the names of the effective capabilities."],
        ["processes", "The name and the parent of each, in the order in which they are made."],
        [
          "calls",
          "The process, call, arguments, result, errno or null, why, manual, and needs of each. " +
          "The calls of one process are in order.",
        ],
        [
          "ifAllowed",
          "The calls that would follow if what is refused for want of a privilege were allowed.",
        ],
        [
          "needs",
          "A text, whether the user has it, the errno of who has it not and, for a capability, " +
          "its name and the user namespace.",
        ],
      ],
    },
    seeAlso: ["denspace-emit 1", "strace 1", "capabilities 7", "user_namespaces 7"],
  },
  emit: {
    examples: [
      ["A program that shows its processes:", "denspace emit -o box unshare -Urpf --mount-proc ps"],
      ["With arguments of its own:", "./box aux"],
    ],
    seeAlso: ["denspace-explain 1", "execve 2", "elf 5"],
  },
  lsns: {
    examples: [
      ["Who owns which:", "denspace lsns --tree=owner"],
      ["A picture of them:", "denspace lsns --graph=svg > namespaces.svg"],
    ],
    seeAlso: ["denspace-nsenter 1", "lsns 8", "namespaces 7"],
  },
  link: { seeAlso: ["symlink 7"] },
  completion: { seeAlso: ["bash 1", "fish 1", "zsh 1"] },
  man: { seeAlso: ["man 1", "mdoc 7"] },
  help: { seeAlso: ["denspace-man 1"] },
};
