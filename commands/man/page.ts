/**
 * Manual pages in mdoc(7), as mandoc(1) wants them: a sentence a line, and no line
 * longer than 80 bytes.
 *
 * @module
 */
import { type DescribedOption, type Help, RELEASED } from "../help.ts";
import { SECTIONS } from "./sections.ts";

const WIDTH = 78;

/** The page of denspace itself. */
export function mainPage(commands: readonly Help[]): string {
  const items = commands.map(({ name, summary }) => `.It Cm ${name}\n${text(sentence(summary))}`);
  const pages = commands.map(({ name }) => `denspace-${name} 1`);
  return `${head("denspace")}.Sh NAME
.Nm denspace
.Nd Linux namespaces
.Sh SYNOPSIS
.Nm denspace
.Ar command
.Op Ar argument ...
.Sh DESCRIPTION
${
    text(
      "It makes, enters, lists and explains namespaces. Nothing of it stays once a program runs.",
    )
  }.Pp
The commands are:
.Bl -tag -width completion
${items.join("")}.El
${seeAlso([...pages, "namespaces 7"])}`;
}

/** The page of a command. */
export function commandPage({ name, summary, usage, about, options }: Help): string {
  const { status, examples = [], terms, seeAlso: others = [] } = SECTIONS[name] ?? {};
  const term = ([word, said]: readonly [string, string]): string => `.It Li ${word}\n${text(said)}`;
  return `${head(`denspace-${name}`)}.Sh NAME
.Nm denspace-${name}
.Nd ${escaped(summary)}
.Sh SYNOPSIS
.Nm denspace ${name}
${synopsis(usage)}.Sh DESCRIPTION
${paragraphs(about)}.Pp
The options are:
.Bl -tag -width Ds
${options.map((option) => `.It ${forms(option)}\n${text(sentence(option.help))}`).join("")}.El
${
    terms === undefined
      ? ""
      : `.Sh ${terms.headline}\n.Bl -tag -width Ds\n${terms.rows.map(term).join("")}.El\n`
  }.Sh EXIT STATUS
${status === undefined ? text("The exit status is 0, or 1 if it fails.") : text(status)}${
    examples.length === 0
      ? ""
      : `.Sh EXAMPLES\n${
        examples.map(([does, line]) => `${text(does)}.Pp\n.Dl ${escaped(line)}\n`).join(".Pp\n")
      }`
  }${seeAlso(["denspace 1", ...others])}`;
}

function head(name: string): string {
  return `.Dd ${RELEASED}\n.Dt ${name.toUpperCase()} 1\n.Os\n`;
}

/** The references of a page: by section, and in the order of the alphabet, each once. */
function seeAlso(pages: readonly string[]): string {
  const key = (page: string): string => page.split(" ").reverse().join(" ").toLowerCase();
  const sorted = [...new Set(pages)].sort((a, b) => key(a) < key(b) ? -1 : 1);
  const lines = sorted.map((page, i) => `.Xr ${page}${i + 1 < sorted.length ? " ," : ""}\n`);
  return `.Sh SEE ALSO\n${lines.join("")}`;
}

/** The usage as macros: what is in brackets may be absent, a word stands for something. */
function synopsis(usage: string): string {
  // What is in brackets is one part, with the brackets that are within.
  const parts = usage.match(/\[(?:[^[\]]|\[[^[\]]*\])*\]|\S+/g) ?? [];
  return parts.map((part) => `.${operand(part)}\n`).join("");
}

function operand(part: string): string {
  const [, optional] = /^\[(.*)\]$/.exec(part) ?? [];
  if (optional !== undefined) {
    return `Op ${optional.match(/\[.*\]|[^\s[]+/g)!.map(operand).join(" ")}`;
  }
  if (part.startsWith("-")) return `Fl ${part.slice(1)}`;
  return part.endsWith("...") ? `Ar ${part.slice(0, -3)} ...` : `Ar ${part}`;
}

/** An option as it is written. */
function forms(
  { name, short, argument, shortArgument = argument, value = "" }: DescribedOption,
): string {
  const shown = escaped(value);
  const long = {
    none: `Fl -${name}`,
    required: `Fl -${name} Ns = Ns Ar ${shown}`,
    optional: `Fl -${name} Ns Op = Ns Ar ${shown}`,
  }[argument];
  if (short === undefined) return long;
  const attached = {
    none: `Fl ${short}`,
    required: `Fl ${short} Ar ${shown}`,
    optional: `Fl ${short} Ns Op Ar ${shown}`,
  }[shortArgument];
  return `${attached} , ${long}`;
}

/** What is told in lines: paragraphs, and what is indented as it stands. */
function paragraphs(about: string): string {
  return about.split("\n\n").map((paragraph) => {
    const lines = paragraph.split("\n");
    if (!lines.every((line) => line.startsWith("  "))) return text(paragraph);
    return `.Bd -literal -offset indent\n${
      lines.map((line) => `${escaped(line.slice(2))}\n`).join("")
    }.Ed\n`;
  }).reduce(
    (all, next) =>
      all + (next.startsWith(".Bd") || all === "" || all.endsWith(".Ed\n") ? "" : ".Pp\n") + next,
    "",
  );
}

/** A text as lines: each sentence begins one. */
function text(said: string): string {
  const sentences = said.replaceAll(/\s+/g, " ").trim().split(/(?<=[.!?:]) (?=[A-Z'-])/);
  return sentences.map(wrapped).join("");
}

function wrapped(sentence: string): string {
  let [lines, line] = ["", ""];
  for (const word of sentence.split(" ").map(escaped)) {
    if (line !== "" && line.length + 1 + word.length > WIDTH) {
      lines += `${line}\n`;
      line = "";
    }
    // At the start of a line . and ' would be those of a request.
    line += line === "" ? word.replace(/^(?=[.'])/, "\\&") : ` ${word}`;
  }
  return `${lines}${line}\n`;
}

/** A few words as a sentence. */
function sentence(words: string): string {
  return `${words[0]!.toUpperCase()}${words.slice(1)}${words.endsWith(".") ? "" : "."}`;
}

function escaped(words: string): string {
  return words.replaceAll("\\", "\\e").replaceAll("-", "\\-");
}
