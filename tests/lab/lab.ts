// `./install.sh lab`: many hosts on this machine, and a shell, or one command, among them.
// Run inside in_lab.sh: deno run -A tests/lab/lab.ts [--hosts N] [...] [COMMAND...]

import { parseArgs } from "@std/cli/parse-args";
import { type Cluster, startCluster } from "./cluster.ts";
import type { Fabric } from "./cluster/fabric.ts";
import { vtepOf } from "./cluster/host.ts";
import { FILE } from "./host.ts";

const USAGE = `lab [--hosts N] [--fabric wire|vlan-switch|both|none] [--etcd 0|1|3] [--intent FILE]
    [--mtu BYTES] [COMMAND...]
  starts N hosts (default 2), each with its own Open vSwitch and agent, applies FILE (default: the
  guide's late_bindings, for all hosts), and opens a shell among them, or runs COMMAND there; then removes everything`;

const GUIDE = new URL(
  "../fixtures/intents/late_bindings/multiple_vxlan_nets.json",
  import.meta.url,
);
const FABRICS: readonly Fabric[] = ["wire", "vlan-switch", "both", "none"];
const ETCDS = [0, 1, 3] as const;

interface LabOptions {
  readonly hosts: number;
  readonly fabric: Fabric;
  readonly etcd: 0 | 1 | 3;
  readonly mtu: number;
  readonly intent: string;
  /** Empty: a shell. */
  readonly command: readonly string[];
}

/** Returns the options of the command line; undefined for --help. Throws if one is not valid. */
async function parseOptions(args: readonly string[]): Promise<LabOptions | undefined> {
  // `deno task lab -- ARGS` passes the dashes on.
  const given = parseArgs(args[0] === "--" ? args.slice(1) : [...args], {
    string: ["hosts", "fabric", "etcd", "intent", "mtu"],
    boolean: ["help"],
    alias: { help: "h" },
    default: { hosts: "2", fabric: "wire", etcd: "1", mtu: "1500", intent: GUIDE.pathname },
    stopEarly: true,
  });
  const [hosts, mtu] = [Number(given.hosts), Number(given.mtu)];
  const fabric = FABRICS.find((one) => one === given.fabric);
  const etcd = ETCDS.find((one) => String(one) === given.etcd);
  if (given.help) return undefined;
  const isWhole = Number.isInteger(hosts) && hosts >= 1 && hosts <= 200;
  if (!isWhole) throw new Error(`--hosts "${given.hosts}" is not a number from 1 to 200`);
  if (!(mtu >= 576)) throw new Error(`--mtu "${given.mtu}" is not a number from 576 on`);
  if (!fabric) throw new Error(`--fabric "${given.fabric}" is not one of ${FABRICS.join(", ")}`);
  if (etcd === undefined) {
    throw new Error(`--etcd "${given.etcd}" is not one of ${ETCDS.join(", ")}`);
  }
  const text = await Deno.readTextFile(given.intent);
  const intent = given.intent === GUIDE.pathname ? withHosts(text, hosts) : text;
  return { hosts, fabric, etcd, mtu, intent, command: given._.map(String) };
}

/** Returns the guide's intent, which has two hosts, with as many as there are. */
function withHosts(text: string, count: number): string {
  const intent = JSON.parse(text);
  for (let n = intent.Hosts.length + 1; n <= count; n++) {
    intent.Hosts.push({ ...intent.Hosts[0], Name: `host${n}`, VtepIp: vtepOf(n) });
  }
  return JSON.stringify(intent);
}

/** Makes a folder for the PATH with the commands of lab_commands.sh. */
async function makeCommands(dir: string): Promise<string> {
  const script = new URL("lab_commands.sh", import.meta.url).pathname;
  for (const folder of ["bin", "pods"]) await Deno.mkdir(`${dir}/${folder}`);
  for (const name of ["k8contivnet", "netdcli", "on", "pod", "inside", "unpod"]) {
    await Deno.symlink(script, `${dir}/bin/${name}`);
  }
  const prompt = `[ ! -f ~/.bashrc ] || . ~/.bashrc\nPATH=${dir}/bin:$PATH PS1='lab \\w \\$ '\n`;
  await Deno.writeTextFile(`${dir}/bashrc`, prompt);
  return `${dir}/bin`;
}

function describe({ hosts, etcd, dir }: Cluster, { fabric }: LabOptions): void {
  const rows = hosts.map(({ label, netns, vtep }) =>
    `  ${label.padEnd(8)}${netns.padEnd(6)}${vtep}`
  );
  console.error(`
${hosts.length} hosts are up, joined by: ${fabric}; store: ${etcd?.url("/lab") ?? "one file"}
  label   netns VTEP address
${rows.join("\n")}
files of each host are in ${dir}/hN: ovs/, agent/agent.log, agent/agent.sock

  k8contivnet get networks          asks the first host's agent, as does netdcli
  on h2 k8contivnet get endpoints   on another host; also: on h2 ovs-vsctl show, on h2 ip address
  pod h1 myContainer1               creates a pod and sets it up on that host, as a kubelet does
  inside myContainer1 ip address    in that pod; also: inside myContainer1 ping -c1 11.1.0.2
  unpod myContainer1                tears it down and deletes it
everything is removed when the shell ends
`);
}

async function runInside(cluster: Cluster, command: readonly string[]): Promise<number> {
  const path = await makeCommands(cluster.dir);
  const shell = ["bash", "--rcfile", `${cluster.dir}/bashrc`, "-i"];
  const [first = "bash", ...args] = command.length > 0 ? command : shell;
  const child = new Deno.Command(first, {
    args,
    env: { PATH: `${path}:${Deno.env.get("PATH")}`, LAB_DIR: cluster.dir, LAB_FILE: FILE },
  }).spawn();
  return (await child.status).code;
}

async function main(): Promise<number> {
  const options = await parseOptions(Deno.args).catch((error) => {
    console.error(`lab: ${error.message}\n`);
    return undefined;
  });
  if (!options) {
    console.error(USAGE);
    return 2;
  }
  // Keys that end a command in the shell must not end the lab around it.
  for (const signal of ["SIGINT", "SIGQUIT"] as const) Deno.addSignalListener(signal, () => {});
  await using cluster = await startCluster(options);
  describe(cluster, options);
  return await runInside(cluster, options.command);
}

Deno.exit(await main());
