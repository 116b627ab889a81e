/**
 * Mounts on a command line: `--volume`, `--mount` and `--tmpfs`.
 *
 * @module
 */
import type { Mount } from "../sandbox/container/oci.ts";
import { ArgumentError } from "./getopt.ts";
import { insidePath, realPath } from "./paths.ts";

/** `SRC:DST[:options]`: a directory or file of the machine. Read-only is so for all that is mounted below, too. */
export function parseVolume(text: string): Mount {
  const [source, destination, options, more] = text.split(":");
  if (!source || !destination || more !== undefined) {
    throw new ArgumentError(`no SRC:DST[:options]: '${text}'`);
  }
  return bind(source, destination, options ? options.split(",") : []);
}

function bind(source: string, destination: string, options: readonly string[]): Mount {
  const all = options.map((option) => option === "ro" ? "rro" : option);
  const has = (...names: string[]): boolean => all.some((option) => names.includes(option));
  if (has("rw") && has("rro")) {
    throw new ArgumentError(`what is mounted on ${destination} can't be both ro and rw`);
  }
  return {
    destination: insidePath(destination),
    type: "bind",
    source: realPath(source),
    options: [
      ...has("bind", "rbind") ? [] : ["rbind"],
      ...has(...PROPAGATIONS) ? [] : ["rprivate"],
      ...all,
    ],
  };
}

const PROPAGATIONS = ["private", "slave", "shared", "unbindable"].flatMap((
  name,
) => [name, `r${name}`]);

/** `DST[:options]`: memory. */
export function parseTmpfs(text: string): Mount {
  const at = text.indexOf(":");
  const [destination, options] = at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
  return tmpfs(destination, options.split(",").filter((option) => option !== ""));
}

function tmpfs(destination: string, options: readonly string[]): Mount {
  return {
    destination: insidePath(destination),
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "nodev", ...options],
  };
}

/** Names of one field. */
const SOURCE = ["source", "src"];
const DESTINATION = ["destination", "dst", "target"];

/** `type=TYPE,src=SRC,dst=DST,options...` */
export function parseMount(text: string): Mount {
  let [type, source, destination] = ["bind", "", ""];
  const options: string[] = [];
  for (const field of text.split(",")) {
    const at = field.indexOf("=");
    const [name, value] = at < 0 ? [field, undefined] : [field.slice(0, at), field.slice(at + 1)];
    if (name === "type" && value) type = value;
    else if (SOURCE.includes(name) && value) source = value;
    else if (DESTINATION.includes(name) && value) destination = value;
    else if (name === "bind-propagation" && value) options.push(value);
    else if (name === "readonly" && value === undefined) options.push("ro");
    else if (field !== "") options.push(field);
  }
  if (destination === "") throw new ArgumentError(`no dst=PATH: '${text}'`);
  if (type === "tmpfs") return tmpfs(destination, options);
  if (type !== "bind") {
    return {
      destination: insidePath(destination),
      type,
      source: source || type,
      options: options.map(absoluteLayers),
    };
  }
  if (source === "") throw new ArgumentError(`no src=PATH: '${text}'`);
  return bind(source, destination, options);
}

/** The directories of an overlay are those of the machine. */
function absoluteLayers(option: string): string {
  const [, name, value] = /^(lowerdir|upperdir|workdir)=(.*)$/s.exec(option) ?? [];
  if (name === undefined) return option;
  const paths = name === "lowerdir" ? value!.split(":") : [value!];
  return `${name}=${paths.map(realPath).join(":")}`;
}
