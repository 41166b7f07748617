// The commands as data: help, completion and the man page are made from it. Each command is loaded when it is
// called.

import type { OptionName } from "./option_table.ts";
import type { Command } from "./shell.ts";

/** What an argument is completed with: fixed words, files, or names that the agent knows. */
export type Words = readonly string[] | "files" | "nothing" | NameKind;

/** Kinds of names that the agent is asked for; `items`: of the kind that the argument before names. */
export type NameKind = "pods" | "hosts" | "networks" | "revisions" | "items" | "namespaces";

/** Kinds of `get`. */
const KINDS = [
  ...[
    "hosts",
    "tenants",
    "networks",
    "endpoints",
    "attachments",
    "groups",
    "policies",
    "pods",
    "events",
  ],
];

/** One command of the table. */
export interface CommandSpec {
  /** What it is for, in the overview. */
  readonly summary: string;
  /** Arguments, in the overview. */
  readonly takes: string;
  /** Options besides those that all commands have. */
  readonly options: readonly OptionName[];
  /** What its options mean where that is less than their common help says. */
  readonly meanings?: Readonly<Partial<Record<OptionName, string>>>;
  /** What to suggest for an unknown -o FORMAT, if the command does not take all formats. */
  readonly formats?: string;
  /** What a shell completes its arguments with, in their order; the last is for all further ones, too. */
  readonly words?: readonly Words[];
  readonly load: () => Promise<Command>;
}

const CHANGING = ["file", "strict", "force"] as const;

/** The commands by name, in the order of the overview. */
export const COMMANDS: Readonly<Record<string, CommandSpec>> = {
  apply: {
    ...{ takes: "-f FILE", summary: "add and update what FILE describes" },
    options: [...CHANGING, "prune", "dry-run"],
    load: async () => (await import("./change.ts")).apply,
  },
  plan: {
    ...{ takes: "-f FILE", summary: "show what would change, host by host" },
    options: [...CHANGING, "prune", "to", "detailed-exitcode"],
    meanings: { "detailed-exitcode": "exit code 2 if something would change" },
    load: async () => (await import("./plan_command.ts")).plan,
  },
  edit: {
    ...{ takes: "", summary: "change the intent in $EDITOR, with the plan before it is applied" },
    options: ["yes", "strict", "force"],
    load: async () => (await import("./edit.ts")).edit,
  },
  delete: {
    ...{ takes: "-f FILE", summary: "delete what FILE names" },
    options: [...CHANGING, "dry-run"],
    load: async () => (await import("./change.ts")).remove,
  },
  bind: {
    ...{ takes: "POD HOST", summary: "pin a pod's endpoints to a host" },
    options: [],
    words: ["pods", "hosts", "nothing"],
    load: async () => (await import("./change.ts")).bind,
  },
  history: {
    ...{ takes: "[REV]", summary: "who changed what, when" },
    options: ["patch"],
    words: ["revisions", "nothing"],
    load: async () => (await import("./history.ts")).history,
  },
  rollback: {
    ...{ takes: "REV", summary: "go back to a revision" },
    options: ["dry-run", "force"],
    words: ["revisions", "nothing"],
    load: async () => (await import("./change.ts")).rollback,
  },
  get: {
    ...{
      takes: "KIND",
      summary: "hosts tenants networks endpoints attachments groups policies pods events",
    },
    options: ["namespace", "all-namespaces", "selector", "sort-by", "watch"],
    words: [KINDS, "items"],
    load: async () => (await import("./get.ts")).get,
  },
  events: {
    ...{ takes: "[POD|KIND]", summary: "what happened on this host, as get events" },
    options: ["selector", "sort-by", "watch"],
    words: ["pods", "nothing"],
    load: async () => (await import("./get.ts")).events,
  },
  why: {
    ...{
      takes: "POD|ADDRESS",
      summary: "why a pod is in its network, or in none; who has an address",
    },
    options: ["namespace"],
    words: ["pods", "nothing"],
    load: async () => (await import("./why.ts")).why,
  },
  trace: {
    ...{
      takes: "SRC DST",
      summary: "may these two communicate, by which rule; does the switch agree",
    },
    options: ["tcp", "udp", "icmp", "detailed-exitcode"],
    meanings: { "detailed-exitcode": "exit code 2 if it is denied" },
    words: ["pods", "pods", "nothing"],
    load: async () => (await import("./trace.ts")).trace,
  },
  exec: {
    ...{ takes: "POD -- COMMAND", summary: "run a command in a pod's network namespace" },
    options: ["namespace"],
    words: ["pods", "files"],
    load: async () => (await import("./exec_command.ts")).exec,
  },
  ping: {
    ...{ takes: "POD POD", summary: "ping from pod to pod; without an answer, what stops it" },
    options: ["namespace", "count"],
    words: ["pods", "pods", "nothing"],
    load: async () => (await import("./ping.ts")).ping,
  },
  capture: {
    ...{
      takes: "POD | --drops",
      summary: "packets of a pod, or those that policies drop, as pcap",
    },
    options: ["namespace", "count", "timeout", "drops"],
    formats:
      "leave -o out: text on a terminal, else a file; with --drops, -o json is accepted, too",
    words: ["pods", "nothing"],
    load: async () => (await import("./capture.ts")).capture,
  },
  ipam: {
    ...{ takes: "show|check", summary: "usage of the address pools; records compared with claims" },
    options: ["repair", "dry-run"],
    words: [["show", "check"], "networks", "nothing"],
    load: async () => (await import("./ipam.ts")).ipam,
  },
  gc: {
    ...{ takes: "", summary: "release what is gone from this host, or from --host HOST" },
    options: ["host", "dry-run", "force"],
    load: async () => (await import("./gc.ts")).gc,
  },
  intent: {
    ...{
      takes: "show|check|…",
      summary: "the intent as a file to apply; help with writing one",
    },
    options: ["file", "strict"],
    words: [["show", "example", "schema", "check"], "files"],
    load: async () => (await import("./intent.ts")).intent,
  },
  explain: {
    ...{ takes: "[FIELD]", summary: "what a key of the intent means" },
    options: [],
    load: async () => (await import("./explain.ts")).explain,
  },
  status: {
    ...{ takes: "", summary: "state of this host's agent" },
    options: [],
    load: async () => (await import("./status.ts")).status,
  },
  doctor: {
    ...{ takes: "", summary: "check this host, or --host HOST; each problem with the way out" },
    options: ["host"],
    load: async () => (await import("./doctor.ts")).doctor,
  },
  bundle: {
    ...{ takes: "[FILE]", summary: "everything for a bug report in one tar, without secrets" },
    options: [],
    words: ["files", "nothing"],
    load: async () => (await import("./bundle_command.ts")).bundle,
  },
  store: {
    ...{
      takes: "copy|backup FROM TO",
      summary: "backup into a file while agents run; all records to another store",
    },
    options: ["dry-run", "force"],
    words: [["copy", "backup"], "files"],
    load: async () => (await import("./store_command.ts")).store,
  },
  kube: {
    ...{ takes: "manifest|image|…", summary: "agents as a DaemonSet; permissions, cluster state" },
    options: ["file", "strict", "settings", "image", "namespace", "etcd-secret"],
    words: [["manifest", "image", "rbac", "conflist", "status"], "files"],
    load: async () => (await import("./kube.ts")).kube,
  },
  metrics: {
    ...{ takes: "dashboard|rules", summary: "for Grafana, and alerts for Prometheus" },
    options: [],
    words: [["dashboard", "rules"], "nothing"],
    load: async () => (await import("./metrics.ts")).metrics,
  },
  pods: {
    ...{ takes: "[NAME]", summary: "pods and addresses from the API server, as kubectl contiv" },
    options: ["namespace", "all-namespaces", "kubeconfig", "context"],
    words: ["pods", "nothing"],
    load: async () => (await import("./pods.ts")).pods,
  },
  completion: {
    ...{ takes: "bash|zsh|fish", summary: "what completes these words in a shell" },
    options: [],
    words: [["bash", "zsh", "fish"], "nothing"],
    load: async () => (await import("./completion.ts")).completion,
  },
  docs: {
    ...{
      takes: "operations|contiv|man",
      summary: "backup, restore, lost hosts; moving from contiv; the man page",
    },
    options: [],
    words: [["operations", "contiv", "man"], "nothing"],
    load: async () =>
      (await import("./docs.ts")).docsOf({ commands: COMMANDS, faces: OTHER_FACES }),
  },
};

/** Returns a command; undefined if none has that name, such as "constructor", which all objects have. */
export function commandNamed(name: string): CommandSpec | undefined {
  return Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
}

/** What else the file can be called as, for the overview and for "did you mean". */
export const OTHER_FACES: Readonly<Record<string, string>> = {
  netplugin: "the host agent (see netplugin -h)",
  netdcli: "the original's tool",
  "init setup teardown status": 'a kubelet\'s calls (see "help setup")',
  "CNI_COMMAND=…": "a container runtime's calls: Container Network Interface 0.3.1 to 1.1.0",
  version: "version of this file",
};
