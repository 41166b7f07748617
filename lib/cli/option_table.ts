// The options of all commands as data: parsing, help, completion and the man page are made from it.

/** One option. */
export interface OptionSpec {
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  /** Placeholder of its value; absent for an option that is true without one. */
  readonly value?: string;
  /** May be given several times. */
  readonly isRepeatable?: true;
  readonly help: string;
}

/** Options that every command has. */
export const COMMON = ["output", "socket", "store", "quiet", "color", "help"] as const;

/** How a store in etcd is reached; every command has them, too. */
export const STORE_OPTIONS = [
  ...["etcd-ca", "etcd-cert", "etcd-key", "etcd-user", "etcd-password-file"] as const,
];

/** All options. */
export const OPTIONS = [
  {
    name: "file",
    short: "f",
    value: "FILE",
    isRepeatable: true,
    help: "JSON or YAML file, folder of such files, or - for standard input",
  },
  {
    name: "prune",
    help: "also delete all that the files do not name, with the endpoints of running pods",
  },
  { name: "dry-run", help: "show what would be done, change nothing" },
  { name: "strict", help: "unknown keys of an intent are errors, not warnings" },
  {
    name: "force",
    help: "also do what is refused because pods, endpoints or networks depend on it",
  },
  { name: "yes", help: "apply without asking" },
  { name: "to", value: "REV", help: "plan going back to this revision" },
  { name: "detailed-exitcode", help: "exit code 2 if something would change, or is denied" },
  { name: "patch", short: "p", help: "also show what each revision changed" },
  { name: "repair", help: "correct what differs" },
  {
    name: "namespace",
    short: "n",
    value: "NAMESPACE",
    help: "namespace of pods (default: default)",
  },
  {
    name: "selector",
    short: "l",
    value: "SELECTOR",
    help: "only what has these labels or fields, such as app=web,tenant!=t",
  },
  { name: "sort-by", value: "FIELD", help: "order by a field, such as address or pod.name" },
  { name: "watch", short: "w", help: "go on, and show what changes (+ ~ -)" },
  { name: "all-namespaces", short: "A", help: "pods of all namespaces" },
  { name: "tcp", value: "PORT", help: "a TCP connection to this port" },
  { name: "udp", value: "PORT", help: "a UDP packet to this port" },
  { name: "icmp", help: "an ICMP echo request" },
  { name: "drops", help: "packets that policies drop" },
  { name: "count", value: "N", help: "how many packets" },
  { name: "timeout", value: "SECONDS", help: "end after this time, such as 30 or 1m30s" },
  { name: "host", value: "HOST", help: "label of a host" },
  { name: "kubeconfig", value: "FILE", help: "access to the API server" },
  { name: "context", value: "NAME", help: "context of the kubeconfig" },
  { name: "settings", value: "FILE", help: "JSON object with the agents' flags as keys" },
  { name: "image", value: "NAME", help: "name of the container image: REGISTRY/NAME:TAG" },
  {
    name: "etcd-secret",
    value: "NAME",
    help: "Secret with ca.crt, tls.crt and tls.key, by which the agents reach etcd",
  },
  {
    name: "output",
    short: "o",
    value: "FORMAT",
    help: "table, wide, json, yaml, name or custom-columns=HEAD:FIELD,…",
  },
  { name: "socket", value: "PATH", help: "the agent's socket (or K8CONTIVNET_SOCKET)" },
  {
    name: "store",
    value: "URL",
    help: "work on this store, without an agent: sqlite:PATH, etcd[s]://HOST:2379/PREFIX",
  },
  { name: "etcd-ca", value: "FILE", help: "CA certificates for etcd" },
  { name: "etcd-cert", value: "FILE", help: "client certificate for etcd, with --etcd-key" },
  { name: "etcd-key", value: "FILE", help: "its private key" },
  { name: "etcd-user", value: "NAME", help: "etcd user, with --etcd-password-file" },
  { name: "etcd-password-file", value: "FILE", help: "file with nothing but the password" },
  { name: "quiet", short: "q", help: "no progress and no summaries: results, warnings and errors" },
  { name: "color", help: "--no-color: no colours, as with NO_COLOR" },
  { name: "help", short: "h", help: "details and an example of a command" },
] as const satisfies readonly OptionSpec[];

/** The name of an option. */
export type OptionName = typeof OPTIONS[number]["name"];

type Named<T> = T extends { readonly name: infer N } ? N : never;

/** Names of options that may be given several times. */
export type RepeatableName = Named<
  Extract<typeof OPTIONS[number], { readonly isRepeatable: true }>
>;

/** Names of options with one value. */
export type TextName = Exclude<
  Named<Extract<typeof OPTIONS[number], { readonly value: string }>>,
  RepeatableName
>;

/** Names of options that are true without a value. */
export type SwitchName = Exclude<OptionName, TextName | RepeatableName>;
