// One simulated host of a cluster: a network namespace with its own Open vSwitch, underlay bridge,
// agent and folder. Its pods are named namespaces; which host a pod is on is which agent is asked.

import { run } from "../run.ts";
import { LabAgent } from "../agent.ts";
import { type Ovs, startOvs } from "../ovs.ts";
import { makePod, type Pod } from "../pod.ts";
import type { Fabrics } from "./fabric.ts";
import { sniff, type Sniffer } from "./sniff.ts";

/** Bridge that has the wire as its port and the VTEP address on its internal port. */
export const UNDERLAY = "underlay";

/** A host of a cluster. */
export interface ClusterHost extends AsyncDisposable {
  /** As the intent calls it: host1, host2, … */
  readonly label: string;
  /** Its named network namespace: h1, h2, … */
  readonly netns: string;
  readonly dir: string;
  readonly ovs: Ovs;
  readonly agent: LabAgent;
  /** Its tunnel address; where the fabric has no wire, nothing has it. */
  readonly vtep: string;
  /** Makes a pod's namespace, which goes with the host. */
  pod(name: string, namespace?: string): Promise<Pod>;
  /** Listens at one of its links. */
  sniff(link: string, filter?: string): Promise<Sniffer>;
  /** Ends ovs-vswitchd, in order or by SIGKILL, and starts it anew. */
  restartVswitchd(way?: "stop" | "kill"): Promise<void>;
  /** Ends the agent and starts it anew with its flags. */
  restartAgent(signal?: Deno.Signal): Promise<void>;
}

/** What a host is made of. */
export interface HostOptions {
  /** From 1. */
  readonly n: number;
  readonly dir: string;
  readonly file: string;
  readonly flags: readonly string[];
  /** MTU of the wire; undefined where there is none. */
  readonly wireMtu: number | undefined;
  /** What joins the hosts. */
  readonly fabrics: Fabrics;
}

/** Returns the VTEP address of host number `n`, as the original's examples have it. */
export function vtepOf(n: number): string {
  return `192.168.2.${n + 9}`;
}

/** Makes a host with everything but its agent's process. */
export async function makeHost(options: HostOptions): Promise<ClusterHost> {
  const { n, dir, wireMtu } = options;
  const netns = `h${n}`;
  await using stack = new AsyncDisposableStack();
  await run("ip", ["netns", "add", netns]);
  stack.defer(async () => void await run("ip", ["netns", "del", netns]));
  await run("ip", ["-n", netns, "link", "set", "lo", "up"]);
  await options.fabrics.plug(netns, n);
  stack.defer(() => options.fabrics.unplug(n));
  const ovs = stack.use(await startOvs(`${dir}/ovs`, { netns }));
  if (wireMtu !== undefined) await makeUnderlay(ovs, { netns, address: vtepOf(n), mtu: wireMtu });
  return assemble(options, ovs, stack.move());
}

function assemble(options: HostOptions, ovs: Ovs, stack: AsyncDisposableStack): ClusterHost {
  const { n, dir, file, flags } = options;
  const [label, netns] = [`host${n}`, `h${n}`];
  const agent = stack.use(
    new LabAgent({ file, dir: `${dir}/agent`, ovs, hostLabel: label, netns, flags }),
  );
  return {
    label,
    netns,
    dir,
    ovs,
    agent,
    vtep: vtepOf(n),
    pod: async (name, namespace) => stack.use(await makePod(name, namespace)),
    sniff: (link, filter = "") => sniff(netns, link, filter),
    restartVswitchd: async (way = "stop") => {
      await (way === "kill" ? ovs.killVswitchd() : ovs.stopVswitchd());
      await ovs.startVswitchd();
    },
    restartAgent: async (signal = "SIGTERM") => {
      await agent.stop(signal);
      await agent.start();
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** The userspace datapath tunnels only by an address that stands on a port of its own. */
async function makeUnderlay(
  ovs: Ovs,
  { netns, address, mtu }: {
    readonly netns: string;
    readonly address: string;
    readonly mtu: number;
  },
): Promise<void> {
  await ovs.vsctl(
    ...["--may-exist", "add-br", UNDERLAY],
    ...["--", "set", "bridge", UNDERLAY, "datapath_type=netdev", "fail_mode=standalone"],
    ...["--", "--may-exist", "add-port", UNDERLAY, "eth1"],
    ...["--", "set", "interface", UNDERLAY, `mtu_request=${mtu}`],
  );
  await run("ip", ["-n", netns, "-batch", "-"], {
    stdin: `address add ${address}/24 dev ${UNDERLAY}\nlink set ${UNDERLAY} up\n`,
  });
  // What the agent tells an operator to do: else the kernel answers ARP for it on the wire's link too.
  await run("ip", ["netns", "exec", netns, "sysctl", "-qw", "net/ipv4/conf/eth1/arp_ignore=1"]);
}
