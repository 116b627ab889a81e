/**
 * Completions for bash(1).
 *
 * @module
 */
import type { ArgumentKind } from "../getopt.ts";
import type { Completion, DescribedOption, Help } from "../help.ts";
import { planned, quoted, SIGNAL_NAMES } from "./words.ts";

/** The script. */
export function bash(commands: readonly Help[]): string {
  return `# Completions of denspace for bash; made by: denspace completion bash

# What can stand behind an option, or as an operand, of a command.
_denspace_kind() {
  case "$1 $2" in
${commands.map(kinds).join("")}  *) kind= ;;
  esac
}

# Whether an option takes the next word: what it takes is then its kind.
_denspace_takes_next() {
  case "$1 $2" in
${commands.map(taking).join("")}  *) return 1 ;;
  esac
}

_denspace_options() {
  case "$1" in
${commands.map(names).join("")}  *) options="--help --version" ;;
  esac
}

# The program behind our own words, with its arguments.
_denspace_program() {
  local from=$1
  if declare -F _comp_command_offset >/dev/null; then
    _comp_command_offset "$from"
  elif declare -F _command_offset >/dev/null; then
    _command_offset "$from"
  elif ((from == COMP_CWORD)); then
    COMPREPLY=($(compgen -c -- "\${COMP_WORDS[COMP_CWORD]}"))
  else
    compopt -o default 2>/dev/null
    COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"))
  fi
}

_denspace_fill() {
  local kind=$1 current=$2
  case $kind in
    file) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")) ;;
    directory) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$current")) ;;
    user) COMPREPLY=($(compgen -u -- "$current")) ;;
    group) COMPREPLY=($(compgen -g -- "$current")) ;;
    process) COMPREPLY=($(compgen -W "$(cd /proc && echo [0-9]*)" -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "$kind" -- "$current")) ;;
  esac
}

_denspace() {
  local command= kind= options= current=\${COMP_WORDS[COMP_CWORD]} i word pending=
  local IFS=$' \\t\\n'
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    pending=
    # The = of --name=value is a word of its own.
    if [[ \${COMP_WORDS[i + 1]} == = && $word == --* ]]; then
      pending=$word
      ((i++, i + 1 < COMP_CWORD)) && { ((i++)); pending=; }
      continue
    fi
    if [[ $word == -?* ]]; then
      [[ $command ]] || return
      if _denspace_takes_next "$command" "$word"; then
        pending=$word
        ((i + 1 < COMP_CWORD)) && { ((i++)); pending=; }
      fi
      continue
    fi
    [[ $command ]] || { command=$word; continue; }
    _denspace_kind "$command" operands
    case $kind in
      program) _denspace_program "$i"; return ;;
      command) command=$word ;;
    esac
  done

  [[ $current == = ]] && current=
  if [[ $pending ]]; then
    _denspace_kind "$command" "$pending"
    _denspace_fill "$kind" "$current"
  elif [[ $current == -* ]]; then
    _denspace_options "$command"
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  elif [[ ! $command ]]; then
    _denspace_fill ${quoted(commands.map(({ name }) => name).join(" "))} "$current"
  else
    _denspace_kind "$command" operands
    case $kind in
      program) _denspace_program "$COMP_CWORD" ;;
      command) _denspace_fill ${quoted(planned(commands).join(" "))} "$current" ;;
      name) _denspace_fill ${quoted(commands.map(({ name }) => name).join(" "))} "$current" ;;
      ?*) _denspace_fill "$kind" "$current" ;;
    esac
  fi
}

complete -F _denspace denspace
`;
}

/** Lines of a `case`: what stands behind the options of a command, and its operands. */
function kinds({ name, options, operands }: Help): string {
  const lines = options.flatMap((option) =>
    option.complete === undefined
      ? []
      : forms(option).map((form) => line(`${name} ${form}`, option.complete!))
  );
  if (operands !== undefined) lines.push(line(`${name} operands`, operands));
  return lines.join("");
}

function line(words: string, kind: Completion): string {
  const text = typeof kind === "string"
    ? kind === "signal" ? SIGNAL_NAMES.join(" ") : kind
    : kind.join(" ");
  return `  ${quoted(words)}) kind=${quoted(text)} ;;\n`;
}

/** A line of a `case`: the options of a command that take the next word. */
function taking({ name, options }: Help): string {
  const found = options.flatMap((option) => [
    ...(option.argument === "required" ? [`${name} --${option.name}`] : []),
    ...(option.short !== undefined && shortArgument(option) === "required"
      ? [`${name} -${option.short}`]
      : []),
  ]);
  return found.length === 0 ? "" : `  ${found.map(quoted).join(" | ")}) ;;\n`;
}

function names({ name, options }: Help): string {
  return `  ${name}) options=${quoted(options.map(({ name }) => `--${name}`).join(" "))} ;;\n`;
}

function forms({ name, short }: DescribedOption): string[] {
  return [`--${name}`, ...(short === undefined ? [] : [`-${short}`])];
}

function shortArgument({ argument, shortArgument }: DescribedOption): ArgumentKind {
  return shortArgument ?? argument;
}
