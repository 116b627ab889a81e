/**
 * Completions for fish(1).
 *
 * @module
 */
import type { Completion, DescribedOption, Help } from "../help.ts";
import { planned, SIGNAL_NAMES } from "./words.ts";

/** The script. */
export function fish(commands: readonly Help[]): string {
  const of = (kind: Completion): string =>
    commands.filter(({ operands }) => operands === kind).map(({ name }) => name).join(" ");
  return `# Completions of denspace for fish; made by: denspace completion fish

# The options of a command that take the next word.
function __denspace_taking
    switch $argv[1]
${commands.map(taking).join("")}    end
end

# The command that the words before this one come to, and the words behind its options.
function __denspace_state
    set -l words (commandline -pxc 2>/dev/null; or commandline -poc)
    set -e words[1]
    set -l command
    while set -q words[1]
        set -l word $words[1]
        switch $word
            case '-*'
                test -n "$command"; or return
                set -e words[1]
                contains -- $word (__denspace_taking $command); and set -e words[1]
            case '*'
                if test -z "$command"
                    set command $word
                    set -e words[1]
                else if contains -- $command ${of("command")}
                    set command $word
                    set -e words[1]
                else
                    break
                end
        end
    end
    string join \\n -- "$command" $words
end

# Whether options of this command are wanted.
function __denspace_in
    set -l state (__denspace_state)
    test "$state[1]" = "$argv[1]"; or return
    # A program has options of its own.
    not set -q state[2]; or not contains -- $argv[1] ${of("program")}
end

# The program behind our own words, with its arguments.
function __denspace_program
    set -l state (__denspace_state)
    set -l words $state[2..-1]
    set -l current (commandline -ct)
    not set -q words[1]; and string match -q -- '-*' $current; and return
    complete --do-complete=(string join ' ' -- (string escape -- $words) "$current")
end

complete -c denspace -f
complete -c denspace -n '__denspace_in ""' -s h -l help -d 'show what there is'
complete -c denspace -n '__denspace_in ""' -s V -l version -d 'show the version'
${
    commands.map(({ name, summary }) =>
      `complete -c denspace -n '__denspace_in ""' -a ${name} -d ${escaped(summary)}\n`
    ).join("")
  }
${commands.map((help) => define(help, commands)).join("\n")}`;
}

function taking({ name, options }: Help): string {
  const found = options.flatMap(({ name, short, argument, shortArgument = argument }) => [
    ...(argument === "required" ? [`--${name}`] : []),
    ...(short !== undefined && shortArgument === "required" ? [`-${short}`] : []),
  ]);
  if (found.length === 0) return "";
  return `        case ${name}\n            string join \\n -- ${found.join(" ")}\n`;
}

function define({ name, options, operands }: Help, commands: readonly Help[]): string {
  const start = `complete -c denspace -n '__denspace_in ${name}'`;
  const lines = options.flatMap((option) => specs(option).map((spec) => `${start} ${spec}\n`));
  switch (operands) {
    case undefined:
      break;
    case "program":
      lines.push(
        `complete -c denspace -n 'test (__denspace_state)[1] = ${name}' -a '(__denspace_program)'\n`,
      );
      break;
    case "command":
      for (const plan of commands.filter(({ plan }) => plan)) {
        lines.push(`${start} -a ${plan.name} -d ${escaped(plan.summary)}\n`);
      }
      break;
    case "name":
      for (const { name, summary } of commands) {
        lines.push(`${start} -a ${name} -d ${escaped(summary)}\n`);
      }
      break;
    default:
      lines.push(`${start} ${values(operands, commands)}\n`);
  }
  return lines.join("");
}

/** What `complete` is told of an option: of both forms at once, if they take the same. */
function specs(option: DescribedOption): string[] {
  const { name, short, argument, shortArgument = argument, help, complete } = option;
  const of = (forms: string, kind: typeof argument): string => {
    const takes = kind !== "required" ? "" : complete === "file" ? " -r" : " -r -f";
    const found = kind === "none" || complete === undefined ? "" : ` ${values(complete, [])}`;
    return `${forms}${takes}${found} -d ${escaped(help)}`;
  };
  if (short === undefined) return [of(`-l ${name}`, argument)];
  if (shortArgument === argument) return [of(`-s ${short} -l ${name}`, argument)];
  return [of(`-l ${name}`, argument), of(`-s ${short}`, shortArgument)];
}

/** The arguments of a kind. */
function values(kind: Completion, commands: readonly Help[]): string {
  switch (kind) {
    case "file":
      return "-F";
    case "directory":
      return "-a '(__fish_complete_directories)'";
    case "user":
      return "-a '(__fish_complete_users)'";
    case "group":
      return "-a '(__fish_complete_groups)'";
    case "process":
      return "-a '(__fish_complete_pids)'";
    case "signal":
      return `-a ${escaped(SIGNAL_NAMES.join(" "))}`;
    case "program":
      return "-a '(__fish_complete_command)'";
    case "command":
      return `-a ${escaped(planned(commands).join(" "))}`;
    case "name":
      return `-a ${escaped(commands.map(({ name }) => name).join(" "))}`;
    default:
      return `-a ${escaped(kind.join(" "))}`;
  }
}

/** A word of fish. */
function escaped(text: string): string {
  return `'${text.replaceAll(/['\\]/g, "\\$&")}'`;
}
