// What an operator would make by hand with the same Open vSwitch: a bridge that learns MACs, its internal port as
// the pods' gateway, the host's routing, and one rule that masquerades. No flow and no rule of ours.

import { startOvs } from "../lab/ovs.ts";
import { type Pod, podAt } from "../lab/pod.ts";
import { run } from "../lab/run.ts";

const BRIDGE = "byhand";
const GATEWAY = "10.8.0.254";
const NAT = "table ip byhand { chain post { type nat hook postrouting priority srcnat; " +
  'oifname "ext0" masquerade; }; }';

/** Address of the pod that serves. */
export const HAND_MADE_PEER = "10.8.0.2";
/** The machine outside, as this host sees it. */
export const HAND_MADE_OUTSIDE = "198.51.101.9";

/** A host without an agent, and its two pods. */
export interface HandMade extends AsyncDisposable {
  readonly client: Pod;
  readonly server: Pod;
}

/** Makes it in namespaces of its own, with one more cable to the machine outside; files go to `dir`. */
export async function makeByHand(dir: string, outside: Pod): Promise<HandMade> {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await makeNamespace("byhand"));
  const ovs = stack.use(await startOvs(dir, { netns: host.id }));
  await ovs.vsctl(
    ...["add-br", BRIDGE, "--", "set", "Bridge", BRIDGE, "datapath_type=netdev"],
    ...["--", "add-port", BRIDGE, "gate", "--", "set", "Interface", "gate", "type=internal"],
  );
  const pods = [];
  for (const n of [1, 2]) {
    const pod = stack.use(await makeNamespace(`byhand${n}`));
    await batch(
      host,
      `link add p${n} type veth peer name eth0 netns ${pod.id}`,
      `link set p${n} up`,
    );
    await batch(pod, `address add 10.8.0.${n}/24 dev eth0`, "link set eth0 up");
    await batch(pod, `route add default via ${GATEWAY}`);
    // The userspace datapath reads frames whose checksums are not there yet.
    await pod.run("ethtool", "-K", "eth0", "tx", "off");
    await ovs.vsctl("add-port", BRIDGE, `p${n}`);
    pods.push(pod);
  }
  const [client, server] = pods as [Pod, Pod];
  await batch(host, `link add ext0 type veth peer name to-hand netns ${outside.id}`);
  await batch(outside, `address add ${HAND_MADE_OUTSIDE}/24 dev to-hand`, "link set to-hand up");
  await batch(host, "address add 198.51.101.1/24 dev ext0", "link set ext0 up");
  await batch(host, `address add ${GATEWAY}/24 dev gate`, "link set gate up");
  await host.run("sysctl", "-qw", "net.ipv4.ip_forward=1");
  await run("ip", ["netns", "exec", host.id, "nft", "-f", "-"], { stdin: NAT });
  if (!await client.reaches(HAND_MADE_OUTSIDE)) throw new Error("the hand-made host does not work");
  const parts = stack.move();
  return { client, server, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

async function makeNamespace(id: string): Promise<Pod> {
  await run("ip", ["netns", "add", id]);
  const pod = podAt(id, id);
  await batch(pod, "link set lo up");
  return pod;
}

async function batch({ id }: Pod, ...lines: string[]): Promise<void> {
  await run("ip", ["-n", id, "-batch", "-"], { stdin: `${lines.join("\n")}\n` });
}
