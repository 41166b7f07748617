// The agent's flags: each also as environment K8CONTIVNET_<FLAG> and as key of --config FILE;
// flag beats environment beats file. Go-style single dashes are taken everywhere.

import { parseArgs } from "@std/cli/parse-args";
import { Fault } from "../util/errors.ts";

/** One flag: its default, and what -h says of it. */
export interface Flag {
  readonly name: string;
  /** What its value is called; empty where it takes none. */
  readonly value: string;
  readonly fallback?: string;
  readonly help: string;
}

export const FLAGS: readonly Flag[] = [
  { name: "host-label", value: "NAME", help: "this host's name in the intent (default: hostname)" },
  { name: "intent", value: "FILE", help: "apply this intent at start; repeatable; - is stdin" },
  {
    name: "store",
    value: "URL",
    help: "sqlite:PATH, or etcd[s]://H1:2379,H2:2379/PREFIX (default: sqlite:<state-dir>/store.db)",
  },
  { name: "etcd-ca", value: "FILE", help: "authorities that sign etcd's certificates" },
  { name: "etcd-cert", value: "FILE", help: "certificate to show to etcd, with --etcd-key" },
  { name: "etcd-key", value: "FILE", help: "its key" },
  { name: "etcd-user", value: "NAME", help: "user of etcd, with --etcd-password-file" },
  { name: "etcd-password-file", value: "FILE", help: "holds nothing but the password" },
  {
    name: "heartbeat",
    value: "SECONDS",
    fallback: "10",
    help: "how often this host says in etcd that it is there",
  },
  { name: "take-over", value: "", help: "take the label of a host that is gone for good" },
  {
    name: "socket",
    value: "PATH",
    fallback: "/run/k8contivnet/agent.sock",
    help: "agent's socket",
  },
  {
    name: "state-dir",
    value: "DIR",
    fallback: "/var/lib/k8contivnet",
    help: "durable state, 0700",
  },
  {
    name: "ovsdb",
    value: "ADDR",
    fallback: "unix:/var/run/openvswitch/db.sock",
    help: "Open vSwitch's database",
  },
  { name: "ovs-rundir", value: "DIR", help: "folder of <bridge>.mgmt (default: that of --ovsdb)" },
  {
    name: "ovs-driver",
    value: "jsonrpc|vsctl",
    fallback: "jsonrpc",
    help: "how ports are made: over the sockets, or by ovs-vsctl and ovs-ofctl",
  },
  {
    name: "link-driver",
    value: "auto|netlink|ip",
    fallback: "auto",
    help: "how links are made: over netlink, or by ip; auto: netlink where libc can be called",
  },
  { name: "datapath", value: "auto|system|netdev", fallback: "auto", help: "kernel or userspace" },
  { name: "bridge", value: "NAME", fallback: "contivBridge", help: "integration bridge" },
  { name: "uplink", value: "IFACE", help: "trunk to the VLAN fabric (default: the intent's Intf)" },
  { name: "uplink-force", value: "", help: "take an uplink that carries the default route" },
  {
    name: "vtep-ip",
    value: "ADDR",
    help: "this host's tunnel address (default: the intent's VtepIp)",
  },
  {
    name: "docker",
    value: "ADDR",
    fallback: "unix:/var/run/docker.sock",
    help: "Docker's socket; none: sandboxes are named network namespaces",
  },
  {
    name: "unmatched",
    value: "ignore|fail",
    fallback: "ignore",
    help: "what setup does for a pod that nothing names",
  },
  {
    name: "kubeconfig",
    value: "FILE",
    help: "Kubernetes' API server and our rights there, or in-cluster (default: none)",
  },
  { name: "node-name", value: "NAME", help: "this host's node there (default: the host label)" },
  { name: "kube-insecure", value: "", help: "take an API server that is not asked over TLS" },
  { name: "grace", value: "SECONDS", fallback: "60", help: "how long a sandbox may be missing" },
  {
    name: "call-limit",
    value: "SECONDS",
    fallback: "8",
    help: "how long one call to Open vSwitch may take; others a little longer",
  },
  {
    name: "log-drops",
    value: "",
    help: "log what policies drop: who asked whom, by which policy; rate limited",
  },
  { name: "log-level", value: "error|warn|info|debug", fallback: "info", help: "" },
  { name: "log-format", value: "text|json", fallback: "text", help: "" },
  { name: "config", value: "FILE", help: "JSON object with these flags as keys" },
];

/** Values of flags by name; `intent` may have several. */
export type FlagValues = ReadonlyMap<string, readonly string[]>;

/** What parseFlags() is told of the process. */
export interface FlagSources {
  readonly env: (name: string) => string | undefined;
  readonly readFile: (path: string) => string;
}

/** Returns the value of each flag that is set or has a default. Faults: usage. */
export function parseFlags(args: readonly string[], sources: FlagSources): FlagValues {
  const given = fromArguments(args);
  const environment = fromEnvironment(sources.env);
  const file = (given.get("config") ?? environment.get("config"))?.at(-1);
  const merged = new Map<string, readonly string[]>();
  for (const { name, fallback } of FLAGS) if (fallback !== undefined) merged.set(name, [fallback]);
  const layers = [file === undefined ? new Map() : fromFile(file, sources), environment, given];
  for (const layer of layers) for (const [name, values] of layer) merged.set(name, values);
  for (const flag of FLAGS) checkChoice(flag, merged.get(flag.name)?.at(-1));
  return merged;
}

/** Turns Go-style `-flag` into `--flag`; a lone `-` and one-letter options stay. */
export function doubleDashes(args: readonly string[]): string[] {
  return args.map((arg) => /^-[a-z][a-z-]/.test(arg) ? `-${arg}` : arg);
}

function fromArguments(args: readonly string[]): Map<string, string[]> {
  const names = FLAGS.map((flag) => flag.name);
  const isBare = (name: string) => FLAGS.find((flag) => flag.name === name)?.value === "";
  const parsed = parseArgs(doubleDashes(args), {
    string: names.filter((name) => !isBare(name)),
    boolean: names.filter(isBare),
    collect: names.filter((name) => !isBare(name)),
    unknown: (arg) => {
      const near = names.find((name) => arg.replace(/^-+/, "").startsWith(name.slice(0, 4)));
      throw new Fault("usage", `netplugin has no flag ${arg}`, {
        fix: near ? `did you mean --${near}? see netplugin -h` : "see netplugin -h",
      });
    },
  });
  const values = new Map<string, string[]>();
  for (const name of names) {
    const given: unknown = parsed[name];
    if (given === true) values.set(name, ["yes"]);
    if (!Array.isArray(given) || given.length === 0) continue;
    if (given.includes("")) {
      throw new Fault("usage", `flag --${name} lacks its value`, { fix: "see netplugin -h" });
    }
    values.set(name, given);
  }
  return values;
}

function fromEnvironment(env: FlagSources["env"]): Map<string, string[]> {
  const values = new Map<string, string[]>();
  for (const { name } of FLAGS) {
    const value = env(`K8CONTIVNET_${name.toUpperCase().replaceAll("-", "_")}`);
    if (value) values.set(name, [value]);
  }
  return values;
}

function fromFile(path: string, { readFile }: FlagSources): Map<string, string[]> {
  const wrong = (why: string) =>
    new Fault("usage", `config ${path} refused`, { why, fix: "see netplugin -h for the keys" });
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFile(path));
  } catch (cause) {
    throw wrong(cause instanceof SyntaxError ? "it is no JSON" : "it cannot be read");
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw wrong("it is no JSON object");
  }
  const values = new Map<string, string[]>();
  for (const [key, value] of Object.entries(parsed)) {
    if (!FLAGS.some((flag) => flag.name === key)) throw wrong(`there is no flag "${key}"`);
    values.set(key, (Array.isArray(value) ? value : [value]).map(String));
  }
  return values;
}

/** Reports whether a flag without a value is set: `yes`, `true` and `1` in environment and file. */
export function isSet(flags: FlagValues, name: string): boolean {
  return ["yes", "true", "1"].includes(flags.get(name)?.at(-1) ?? "");
}

/** A flag whose value is written `a|b` takes only those. */
function checkChoice({ name, value }: Flag, given: string | undefined): void {
  if (given === undefined || !value.includes("|") || value.split("|").includes(given)) return;
  throw new Fault("usage", `flag --${name} cannot be "${given}"`, {
    fix: `one of ${value.split("|").join(", ")}`,
  });
}
