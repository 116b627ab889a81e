/**
 * Completions for zsh(1).
 *
 * @module
 */
import type { ArgumentKind } from "../getopt.ts";
import type { Completion, DescribedOption, Help } from "../help.ts";
import { planned, quoted, SIGNAL_NAMES } from "./words.ts";

/** The script. */
export function zsh(commands: readonly Help[]): string {
  const described = (all: readonly Help[]): string =>
    all.map(({ name, summary }) => `    ${quoted(`${name}:${summary.replaceAll(":", "\\:")}`)}\n`)
      .join("");
  const plans = planned(commands);
  return `#compdef denspace
# Completions of denspace for zsh; made by: denspace completion zsh

_denspace_names() {
  local -a names=(
${described(commands)}  )
  _describe -t commands command names
}

_denspace_planned() {
  local -a names=(
${described(commands.filter(({ name }) => plans.includes(name)))}  )
  _describe -t commands command names
}

# A command of ours, which is the first of the words, with its arguments.
_denspace_command() {
  local call=_denspace_$words[1]
  (( $+functions[$call] )) && $call
}

${commands.map(define).join("\n")}
_denspace() {
  _arguments -s -A '-*' \\
    '(- *)'{-h,--help}'[show what there is]' \\
    '(- *)'{-V,--version}'[show the version]' \\
    '(-)1: :_denspace_names' \\
    '*:: :_denspace_command'
}

_denspace "$@"
`;
}

function define({ name, options, operands }: Help): string {
  const specs = [...options.flatMap(specsOf), ...operandsOf(operands)];
  const stops = operands === "program" || operands === "command" ? ` -A '-*'` : "";
  return `_denspace_${name}() {\n  _arguments -s -S${stops} \\\n${
    specs.map((spec) => `    ${quoted(spec)}`).join(" \\\n")
  }\n}\n`;
}

/** The specifications of an option: its long form and its short one. */
function specsOf(option: DescribedOption): string[] {
  const { name, short, argument, shortArgument = argument, help } = option;
  const shown = `[${help.replaceAll(/[[\]\\:]/g, "\\$&")}]`;
  const value = (kind: ArgumentKind): string => {
    if (kind === "none") return "";
    const message = (option.value ?? "value").replaceAll(/[:\\]/g, "\\$&");
    return `${kind === "optional" ? "::" : ":"}${message}:${action(option.complete)}`;
  };
  const long = { none: "", required: "=", optional: "=-" }[argument];
  const forms = [`*--${name}${long}${shown}${value(argument)}`];
  if (short !== undefined) {
    const attached = { none: "", required: "+", optional: "-" }[shortArgument];
    forms.push(`*-${short}${attached}${shown}${value(shortArgument)}`);
  }
  return forms;
}

function operandsOf(kind: Completion | undefined): string[] {
  switch (kind) {
    case undefined:
      return [];
    case "program":
      return ["(-)1:program:_command_names -e", "*::argument:_normal"];
    case "command":
      return ["(-)1: :_denspace_planned", "*:: :_denspace_command"];
    default:
      return [`*:operand:${action(kind)}`];
  }
}

function action(kind: Completion | undefined): string {
  switch (kind) {
    case undefined:
      return " ";
    case "file":
      return "_files";
    case "directory":
      return "_files -/";
    case "user":
      return "_users";
    case "group":
      return "_groups";
    case "process":
      return "_pids";
    case "signal":
      return `(${SIGNAL_NAMES.join(" ")})`;
    case "program":
      return "_command_names -e";
    case "command":
      return "_denspace_planned";
    case "name":
      return "_denspace_names";
    default:
      return `(${kind.join(" ")})`;
  }
}
