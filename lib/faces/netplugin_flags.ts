// The flags of the agent, each also as environment variable K8CONTIVNET_<FLAG> and as a key of the --config file; a flag
// takes precedence over the environment, and that over the file. Go-style single dashes are accepted everywhere.
// Empty text in the environment, and empty text and null in the file, mean that the flag is not set.

import { parseArgs } from "@std/cli/parse-args";
import { Fault, oneLine, systemWords } from "../util/errors.ts";
import { readBoolean, readChoice, readSeconds } from "../util/read_settings.ts";

/** One flag, with its default and its help text. */
export interface Flag {
  readonly name: string;
  /**
   * Placeholder of its value in the help; the allowed values `a|b`; SECONDS for a duration; empty for a flag that is
   * true without a value.
   */
  readonly value: string;
  /** Default value. */
  readonly fallback?: string;
  readonly help: string;
}

/** All flags, in the order of the help. */
export const FLAGS: readonly Flag[] = [
  { name: "host-label", value: "NAME", help: "this host's name in the intent (default: hostname)" },
  { name: "intent", value: "FILE", help: "apply this intent at start; repeatable; - is stdin" },
  {
    name: "store",
    value: "URL",
    help: "sqlite:PATH, or etcd[s]://H1:2379,H2:2379/PREFIX (default: sqlite:<state-dir>/store.db)",
  },
  { name: "etcd-ca", value: "FILE", help: "CA certificates for etcd" },
  { name: "etcd-cert", value: "FILE", help: "client certificate for etcd, with --etcd-key" },
  { name: "etcd-key", value: "FILE", help: "its private key" },
  { name: "etcd-user", value: "NAME", help: "etcd user, with --etcd-password-file" },
  { name: "etcd-password-file", value: "FILE", help: "file with nothing but the password" },
  {
    name: "heartbeat",
    value: "SECONDS",
    fallback: "10",
    help: "interval of this host's heartbeat in etcd; longer with over 100 hosts for each second",
  },
  { name: "take-over", value: "", help: "take over the label of a host that is lost for good" },
  {
    name: "socket",
    value: "PATH",
    fallback: "/run/k8contivnet/agent.sock",
    help: "socket of the agent",
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
    help: "how ports are created: over OVSDB and OpenFlow, or by ovs-vsctl and ovs-ofctl",
  },
  {
    name: "link-driver",
    value: "auto|netlink|ip",
    fallback: "auto",
    help: "how links are created: over netlink, or by ip; auto: netlink if libc can be called",
  },
  {
    name: "ports",
    value: "plain|warm|auto",
    fallback: "auto",
    help: "a port of its own for each pod, or one that was added ahead; auto: plain",
  },
  { name: "datapath", value: "auto|system|netdev", fallback: "auto", help: "kernel or userspace" },
  { name: "bridge", value: "NAME", fallback: "contivBridge", help: "integration bridge" },
  {
    name: "uplink",
    value: "IFACE",
    help: "trunk link to the VLAN fabric (default: Intf of the intent)",
  },
  { name: "uplink-force", value: "", help: "accept an uplink that has the default route" },
  {
    name: "vtep-ip",
    value: "ADDR",
    help: "tunnel address of this host (default: VtepIp of the intent)",
  },
  {
    name: "vtep-arp-ignore",
    value: "",
    help: "userspace datapath: set arp_ignore on a NIC that answers ARP for the tunnel address",
  },
  {
    name: "host-range",
    value: "CIDR",
    help: "addresses of hosts in pods' networks, the same on all hosts (default: 100.64.0.0/14)",
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
    help: "what setup does for a pod that no network or endpoint matches",
  },
  {
    name: "kubeconfig",
    value: "FILE",
    help: "kubeconfig for the API server, or in-cluster (default: none)",
  },
  {
    name: "node-name",
    value: "NAME",
    help: "name of this host's node in Kubernetes (default: the host label)",
  },
  { name: "kube-insecure", value: "", help: "accept an API server without TLS" },
  {
    name: "grace",
    value: "SECONDS",
    fallback: "60",
    help: "how long a sandbox may be missing before it is released",
  },
  {
    name: "call-limit",
    value: "SECONDS",
    fallback: "8",
    help: "time limit of one call to Open vSwitch; other calls have a little more",
  },
  {
    name: "history",
    value: "COUNT",
    fallback: "100",
    help: "revisions of the intent to keep, or for how many days: 30d",
  },
  {
    name: "log-drops",
    value: "",
    help: "log packets dropped by policies: source, destination, policy; rate limited",
  },
  {
    name: "listen",
    value: "ADDRESS:PORT",
    help: "serve /metrics for Prometheus, /healthz and /readyz here, or at unix:PATH; repeatable",
  },
  {
    name: "listen-token-file",
    value: "FILE",
    help: "token that clients of /metrics must send; needed for other addresses than 127.0.0.1",
  },
  {
    name: "log-level",
    value: "error|warn|info|debug",
    fallback: "info",
    help: "least severe level that is logged",
  },
  { name: "log-format", value: "text|json", fallback: "text", help: "format of the log" },
  { name: "config", value: "FILE", help: "JSON object with these flags as keys" },
];

/**
 * Values of flags by name; `intent` may have several. A flag without a value is "true" or "false", a duration a number
 * of seconds, and one of allowed values is written as in the help.
 */
export type FlagValues = ReadonlyMap<string, readonly string[]>;

/** What parseFlags() reads besides the arguments. */
export interface FlagSources {
  readonly env: (name: string) => string | undefined;
  readonly readFile: (path: string) => string;
}

/** Texts of flags by name, as they are given in one place. */
type Given = ReadonlyMap<string, readonly string[]>;

/** Returns the value of each flag that is set or has a default. Faults: usage. */
export function parseFlags(args: readonly string[], sources: FlagSources): FlagValues {
  const given = fromArguments(args);
  const environment = fromEnvironment(sources.env);
  const path = (given.get("config") ?? environment.get("config"))?.at(-1);
  const file: Given = path === undefined ? new Map() : fromFile(path, sources);
  const merged = new Map<string, readonly string[]>();
  for (const flag of FLAGS) {
    const { name, fallback } = flag;
    const places: readonly (readonly [string, readonly string[] | undefined])[] = [
      [`--${name}`, given.get(name)],
      [variableOf(name), environment.get(name)],
      [`"${name}" of config ${path}`, file.get(name)],
      [name, fallback === undefined ? undefined : [fallback]],
    ];
    const [what, texts] = places.find(([, texts]) => texts !== undefined) ?? [];
    if (what === undefined || texts === undefined) continue;
    merged.set(name, texts.map((text) => readValue(flag, what, text)));
  }
  return merged;
}

/** The durations of the agent's flags are shorter than a day. */
const MOST_SECONDS = 86_399;

/** Reads the text of a flag as its kind of value; `what` names the place it is from. Faults: usage. */
function readValue({ value }: Flag, what: string, text: string): string {
  if (value === "") return String(readBoolean(what, text));
  if (value === "SECONDS") return String(readSeconds(what, text, { most: MOST_SECONDS }));
  if (value.includes("|")) return readChoice(what, text, value.split("|"));
  return text;
}

/** Turns Go-style `-flag` into `--flag`; a lone `-` and one-letter options stay. */
export function doubleDashes(args: readonly string[]): string[] {
  return args.map((arg) => /^-[a-z][a-z-]/.test(arg) ? `-${arg}` : arg);
}

/** Parses the arguments. Faults: usage. */
function fromArguments(args: readonly string[]): Given {
  const names = FLAGS.map((flag) => flag.name);
  const bare = FLAGS.filter((flag) => flag.value === "").map((flag) => flag.name);
  const values = new Map<string, string[]>();
  // parseArgs() takes each value of a boolean but "false" for true: it gets none.
  const plain = doubleDashes(args).map((arg) => {
    const [, name = "", text] = /^--([a-z-]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (!bare.includes(name)) return arg;
    values.set(name, [text ?? "true"]);
    return `--${name}`;
  });
  const parsed = parseArgs(plain, {
    string: names.filter((name) => !bare.includes(name)),
    boolean: bare,
    collect: names.filter((name) => !bare.includes(name)),
    unknown: (arg) => {
      const near = names.find((name) => arg.replace(/^-+/, "").startsWith(name.slice(0, 4)));
      throw new Fault("usage", `unknown flag ${arg}`, {
        fix: near ? `did you mean --${near}? see netplugin -h` : "see netplugin -h",
      });
    },
  });
  for (const name of names) {
    const given: unknown = parsed[name];
    // `--flag false`, without =
    if (given === false && values.has(name)) values.set(name, ["false"]);
    if (!Array.isArray(given) || given.length === 0) continue;
    if (given.includes("")) {
      throw new Fault("usage", `flag --${name} needs a value`, { fix: "see netplugin -h" });
    }
    values.set(name, given);
  }
  return values;
}

function variableOf(name: string): string {
  return `K8CONTIVNET_${name.toUpperCase().replaceAll("-", "_")}`;
}

/** Returns the flags that the environment sets. */
function fromEnvironment(env: FlagSources["env"]): Given {
  const values = new Map<string, string[]>();
  for (const { name } of FLAGS) {
    const value = env(variableOf(name)) ?? "";
    if (value.trim() !== "") values.set(name, [value]);
  }
  return values;
}

/** Returns the flags of a --config file. Faults: usage. */
function fromFile(path: string, { readFile }: FlagSources): Given {
  const wrong = (why: string) =>
    new Fault("usage", `config ${path} refused`, { why, fix: "see netplugin -h for the keys" });
  let parsed: unknown;
  try {
    // Editors of Windows begin a file with a byte order mark, which JSON does not allow.
    parsed = JSON.parse(readFile(path).replace(/^\ufeff/, ""));
  } catch (cause) {
    throw wrong(
      cause instanceof SyntaxError ? "it is not JSON" : `it cannot be read: ${systemWords(cause)}`,
    );
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw wrong("it is not a JSON object");
  }
  const values = new Map<string, string[]>();
  for (const [key, value] of Object.entries(parsed)) {
    const flag = FLAGS.find(({ name }) => name === key);
    if (!flag) throw wrong(`unknown flag "${oneLine(key, 40)}"`);
    const texts = (Array.isArray(value) ? value : [value])
      .filter((one) => one !== null && !(typeof one === "string" && one.trim() === ""));
    if (!texts.every((one) => isScalar(flag, one))) {
      throw wrong(`the value of "${key}" must be ${flag.value === "" ? "true or false" : "text"}`);
    }
    if (texts.length > 1 && !REPEATABLE.has(key)) throw wrong(`"${key}" has more than one value`);
    if (texts.length > 0) values.set(key, texts.map(String));
  }
  return values;
}

const REPEATABLE: ReadonlySet<string> = new Set(["intent", "listen"]);

/** Reports whether a JSON value can be that of a flag: text or a number, and true and false if the flag is bare. */
function isScalar({ value }: Flag, given: unknown): boolean {
  const isBoolean = typeof given === "boolean" && value === "";
  return typeof given === "string" || typeof given === "number" || isBoolean;
}

/** Reports whether a flag without a value is set. */
export function isSet(flags: FlagValues, name: string): boolean {
  return flags.get(name)?.at(-1) === "true";
}
