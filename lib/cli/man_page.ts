// The man page, made from the tables of commands and options; man(7). Pure.

import type { OptionSpec } from "./option_table.ts";

/** A command as the page shows it: the help text, as shell.ts says. */
export interface PageCommand {
  readonly name: string;
  readonly summary: string;
  readonly usage: string;
}

/** What the page is made of. */
export interface PageParts {
  readonly version: string;
  /** YYYY-MM-DD */
  readonly date: string;
  readonly commands: readonly PageCommand[];
  readonly options: readonly OptionSpec[];
  /** `0 ok, 1 failed, …` */
  readonly exitCodes: string;
  /** What else the file can be called as, with what that is. */
  readonly faces: Readonly<Record<string, string>>;
}

/** Returns the page. */
export function manPage({ version, date, commands, options, exitCodes, faces }: PageParts): string {
  return [
    `.TH K8CONTIVNET 8 ${date} "k8contivnet ${version}" "System Administration"`,
    ".SH NAME",
    "k8contivnet \\- connects pods to their own VLANs and VXLANs, from one file",
    ".SH SYNOPSIS",
    ...[".B k8contivnet", ".I COMMAND", "[\\fIARGUMENTS\\fR] [\\fIOPTIONS\\fR]"],
    ".SH DESCRIPTION",
    "One file is the agent of each host, the network plugin of kubelets and",
    "container runtimes, and the tool that asks the agent of this host, or with",
    ...[".B \\-\\-store", "a store directly."],
    ".SH COMMANDS",
    ...commands.flatMap(commandLines),
    ".SH OPTIONS",
    ...options.flatMap(optionLines),
    ".SH OTHER CALLS",
    ...Object.entries(faces).flatMap(([name, what]) => [".TP", bold(name), ...filled(what)]),
    ".SH EXIT STATUS",
    ...filled(exitCodes),
    ".SH ENVIRONMENT",
    ...[".TP", bold("K8CONTIVNET_SOCKET"), "The agent's socket, where no option names it."],
    ...[".TP", bold("NO_COLOR"), "No colours, if it is not empty."],
    ...[".TP", bold("VISUAL, EDITOR"), "What", ".B k8contivnet edit", "opens the intent with."],
    ".SH FILES",
    ...[".TP", italic("/etc/k8contivnet/agent.json")],
    ...filled('The agent\'s flags as keys, such as {"log-drops": true}, for the unit of systemd.'),
    ...[".TP", italic("/etc/default/k8contivnet")],
    ...filled("Environment of the unit, such as K8CONTIVNET_LOG_DROPS=true; it takes precedence."),
    ...[".TP", italic("/run/k8contivnet/agent.sock"), "The agent's socket."],
    ...[".TP", italic("/var/lib/k8contivnet"), "The agent's durable state."],
    ".SH SEE ALSO",
    ...[".BR ovs-vswitchd (8),", ".BR kubelet (8)"],
    "",
  ].join("\n");
}

/** The first line of a usage is the synopsis; deeper lines are shown as they are; `e.g.` begins an example. */
function commandLines({ name, summary, usage }: PageCommand): string[] {
  const [synopsis = name, ...rest] = usage.split("\n");
  const lines = [`.SS "${quoted(synopsis)}"`, ...filled(`${summary}.`), ".PP"];
  let isLiteral = false;
  const literal = (next: boolean) => {
    if (next !== isLiteral) lines.push(...next ? [".RS 4", ".nf"] : [".fi", ".RE"]);
    isLiteral = next;
  };
  for (const line of rest) {
    const [, example] = /^ *e\.g\. (.*)$/.exec(line) ?? [];
    literal(example !== undefined || /^ {4}/.test(line));
    if (line.trim() === "") continue;
    if (isLiteral) lines.push(text(example ?? line.replace(/^ {4}/, "")));
    else lines.push(...filled(line));
  }
  literal(false);
  return lines;
}

function optionLines({ name, short, value, isRepeatable, help }: OptionSpec): string[] {
  const long = name === "color" ? "--no-color" : `--${name}`;
  const names = [...short === undefined ? [] : [`-${short}`], long].map((one) =>
    `\\fB${text(one)}\\fR`
  );
  const head = `${names.join(", ")}${value === undefined ? "" : ` \\fI${text(value)}\\fR`}`;
  const body = help.replace(/^--no-color: /, "");
  return [".TP", head, ...filled(`${body}${isRepeatable ? "; may be given several times" : ""}`)];
}

function bold(word: string): string {
  return `.B ${text(word)}`;
}

function italic(word: string): string {
  return `.I ${text(word)}`;
}

/** Most characters of a line, as mandoc wants it. */
const LINE = 78;

/** Returns a paragraph's text in lines; roff fills them anew. */
function filled(paragraph: string): string[] {
  const lines: string[] = [];
  for (const word of paragraph.trim().split(/ +/)) {
    const longer = `${lines.at(-1) ?? ""} ${word}`.trim();
    if (lines.length > 0 && text(longer).length <= LINE) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.map(text);
}

/** Text that roff takes as it is: no line of it is a request. */
function text(line: string): string {
  const escaped = line.replaceAll("\\", "\\e").replaceAll("-", "\\-");
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}

function quoted(line: string): string {
  return text(line).replaceAll('"', '""');
}
