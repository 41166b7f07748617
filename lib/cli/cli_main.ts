// The operator's tool: finds the command, parses the options that all share, runs it, prints its Fault.

import { parseArgs } from "@std/cli/parse-args";
import { Fault, FAULT_CODES, faultFrom } from "../util/errors.ts";
import { plainBooleans } from "../util/read_settings.ts";
import { VERSION } from "../util/version.ts";
import { type Output, printValue, processOutput } from "./output.ts";
import type { Command, CommonOptions, Shell, Target } from "./shell.ts";
import { nearest } from "./nearest.ts";
import type { OpenOptions } from "../store/open_store.ts";

/** The commands by name; each is loaded when it is called. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  apply: async () => (await import("./change.ts")).apply,
  plan: async () => (await import("./change.ts")).plan,
  delete: async () => (await import("./change.ts")).remove,
  bind: async () => (await import("./change.ts")).bind,
  get: async () => (await import("./get.ts")).get,
  why: async () => (await import("./why.ts")).why,
  gc: async () => (await import("./gc.ts")).gc,
  ipam: async () => (await import("./ipam.ts")).ipam,
  intent: async () => (await import("./intent.ts")).intent,
  status: async () => (await import("./status.ts")).status,
  kube: async () => (await import("./kube.ts")).kube,
  pods: async () => (await import("./pods.ts")).pods,
  trace: async () => (await import("./trace.ts")).trace,
};

const HELP = `k8contivnet: pods on their own VLANs and VXLANs, from one intent file

  apply -f FILE      add and update what FILE describes       plan -f FILE    show what would change
  delete -f FILE     delete what it names                     bind POD HOST   pin a pod's endpoints
  get KIND           hosts tenants networks endpoints attachments policies pods
  why POD            which rule put it into which network, or why it is in none
  trace SRC DST      may these two communicate, by which rule, and does the switch agree
  ipam show          usage of the address pools               ipam check      compare records with claims
  gc                 release what is gone from this host now  gc --host HOST  from a host that is lost
  intent example     an intent to start from                  intent check FILE
  status             state of this host's agent
  kube rbac|status   permissions in Kubernetes, cluster state pods            as kubectl contiv pods
  netplugin          the host agent                           netdcli         the original's tool
  init setup teardown status   a kubelet's calls ("k8contivnet help setup")
  CNI_COMMAND=…      a container runtime's calls: Container Network Interface 0.3.1 to 1.1.0
  version            version of this file

COMMAND -h prints its details. Common options: -o table|wide|json|yaml|name, --socket PATH, --store URL, --no-color
With --store etcd[s]://… also --etcd-ca, --etcd-cert, --etcd-key, --etcd-user, --etcd-password-file
exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict or exhausted, 5 unavailable, 6 timed out`;

/** Runs one command; returns the exit code, of FAULT_CODES. */
export async function cliMain(args: readonly string[]): Promise<number> {
  const [name = "help", ...rest] = args;
  await using stack = new AsyncDisposableStack();
  try {
    await dispatch(name, rest, stack);
    return 0;
  } catch (error) {
    const fault = faultFrom(error);
    processOutput(false).message(`k8contivnet: ${fault.message}`);
    return FAULT_CODES[fault.code].exit;
  }
}

/** Runs the command `name`. Faults: usage; those of the command. */
async function dispatch(
  name: string,
  args: readonly string[],
  stack: AsyncDisposableStack,
): Promise<void> {
  const options = parseOptions(args);
  const output = processOutput(options.color);
  if (["help", "-h", "--help", "-help"].includes(name)) return await help(options.args[0], output);
  if (["version", "--version", "-version"].includes(name)) {
    return await version(options.common, output);
  }
  const load = COMMANDS[name];
  if (!load) {
    const near = nearest(name, [
      ...Object.keys(COMMANDS),
      "help",
      "version",
      "netplugin",
      "netdcli",
      ...["init", "setup", "teardown", "status"],
    ]);
    throw new Fault("usage", `"${name.slice(0, 60)}" is not a command`, {
      fix: near ? `did you mean ${near}?` : 'see "k8contivnet help"',
    });
  }
  const command = await load();
  if (options.isHelp) return output.data(`k8contivnet ${command.usage}`);
  const shell: Shell = {
    args: options.args,
    options: options.common,
    output,
    target: await lazyTarget(options, stack),
  };
  await command.run(shell);
}

/** Prints the help of a command, or the overview. */
async function help(name: string | undefined, output: Output): Promise<void> {
  const load = name === undefined ? undefined : COMMANDS[name];
  if (!load) return output.data(HELP);
  output.data(`k8contivnet ${(await load()).usage}`);
}

/** Prints version and build. */
async function version(options: CommonOptions, output: Output): Promise<void> {
  const { os, arch } = Deno.build;
  const facts = { version: VERSION, deno: Deno.version.deno, os, arch, glibc: "2.27 or newer" };
  if (await printValue({ options, output }, facts)) return;
  output.data(
    `k8contivnet ${facts.version} (deno ${facts.deno}, ${os} ${arch}, glibc ${facts.glibc})`,
  );
}

/** The parsed command line. */
interface Options {
  readonly args: readonly string[];
  readonly common: CommonOptions;
  readonly socket: string | undefined;
  readonly store: string | undefined;
  readonly storeOptions: OpenOptions;
  readonly color: boolean;
  readonly isHelp: boolean;
}

const KUBE_FLAGS = ["namespace", "kubeconfig", "context"] as const;
// The same as those of netplugin.
const ETCD_FLAGS = ["etcd-ca", "etcd-cert", "etcd-key", "etcd-user", "etcd-password-file"] as const;

/** The options that are true without a value. */
const BOOLEANS = [
  ...["prune", "dry-run", "strict", "force", "repair", "all-namespaces", "icmp"] as const,
  ...["color", "help"] as const,
];

/** Parses arguments and options. Faults: usage. */
function parseOptions(args: readonly string[]): Options {
  const parsed = parseArgs(plainBooleans(args, BOOLEANS), {
    string: [
      "file",
      "output",
      "socket",
      "store",
      "tcp",
      "udp",
      "host",
      ...KUBE_FLAGS,
      ...ETCD_FLAGS,
      "_",
    ],
    boolean: BOOLEANS,
    negatable: ["color"],
    alias: { file: "f", output: "o", help: "h", namespace: "n", "all-namespaces": "A" },
    default: { color: true, output: "table" },
    unknown: (arg, key) => {
      if (key === undefined) return;
      throw new Fault("usage", `unknown option ${arg.slice(0, 60)}`, { fix: "see -h" });
    },
  });
  const format = parsed.output;
  if (!isFormat(format)) {
    throw new Fault("usage", `-o "${format.slice(0, 60)}" is not a format`, {
      fix: "use table, wide, json, yaml or name",
    });
  }
  return {
    args: parsed._.map(String),
    common: {
      format,
      force: parsed.force,
      strict: parsed.strict,
      prune: parsed.prune,
      dryRun: parsed["dry-run"],
      repair: parsed.repair,
      file: parsed.file,
      namespace: parsed.namespace,
      allNamespaces: parsed["all-namespaces"],
      kubeconfig: parsed.kubeconfig,
      context: parsed.context,
      tcp: parsed.tcp,
      udp: parsed.udp,
      icmp: parsed.icmp,
      host: parsed.host,
    },
    socket: parsed.socket,
    store: parsed.store,
    storeOptions: {
      etcdCa: parsed["etcd-ca"],
      etcdCert: parsed["etcd-cert"],
      etcdKey: parsed["etcd-key"],
      etcdUser: parsed["etcd-user"],
      etcdPasswordFile: parsed["etcd-password-file"],
    },
    color: parsed.color,
    isHelp: parsed.help,
  };
}

function isFormat(format: string): format is CommonOptions["format"] {
  return ["table", "wide", "json", "yaml", "name"].includes(format);
}

/** Opens what answers the command; loaded late, as `intent` and `pods` need neither. */
async function lazyTarget(options: Options, stack: AsyncDisposableStack): Promise<Target> {
  const { agentTarget, storeTarget } = await import("./agent_or_store.ts");
  return options.store
    ? await storeTarget(options.store, options.storeOptions, stack)
    : agentTarget(options.socket);
}
