// A bridge that a careful person makes by hand with ovs-vsctl, on the userspace datapath and in fail mode secure: what
// ours is compared with where a restart of ovs-vswitchd costs packets.

import type { Ovs } from "./ovs.ts";
import { makePod, type Pod } from "./pod.ts";
import { run } from "./run.ts";

/** Its name, also that of its internal port. */
export const HAND_BRIDGE = "handBridge";

/** Makes the bridge; it has no flows yet. */
export async function makeHandBridge(ovs: Ovs): Promise<void> {
  await ovs.vsctl(
    ...["add-br", HAND_BRIDGE, "--", "set", "bridge", HAND_BRIDGE],
    ...["datapath_type=netdev", "fail_mode=secure"],
  );
}

/** Connects a new pod, which has 10.5.5.`number`/24. */
export async function plugByHand(ovs: Ovs, number: number): Promise<Pod> {
  const name = `hand${number}`;
  const pod = await makePod(name);
  const place = ovs.netns === undefined ? [] : ["-n", ovs.netns];
  const veth = ["type", "veth", "peer", "name", "eth0", "netns", pod.id];
  await run("ip", [...place, "link", "add", name, ...veth]);
  await run("ip", [...place, "link", "set", name, "up"]);
  await pod.run("ethtool", "-K", "eth0", "tx", "off");
  const batch = `address add 10.5.5.${number}/24 dev eth0\nlink set eth0 up\n`;
  await run("ip", ["-n", pod.id, "-batch", "-"], { stdin: batch });
  await ovs.vsctl("add-port", HAND_BRIDGE, name);
  return pod;
}

/** What a careful person has beside such a bridge: puts its flows back as soon as it answers. */
export async function putFlowsBack({ rundir }: Ovs): Promise<void> {
  const script = `for n in $(seq 1000); do
    printf 'actions=NORMAL\\n' | ovs-ofctl --timeout=5 replace-flows "$1" - 2>/dev/null && exit
    sleep 0.01
  done
  exit 1`;
  await run("sh", ["-c", script, "sh", `unix:${rundir}/${HAND_BRIDGE}.mgmt`], {
    limitMs: 20_000,
  });
}
