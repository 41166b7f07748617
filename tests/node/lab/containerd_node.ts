// A single node with containerd and without a kubelet, and its pods as a kubelet would run them.

import { assert, assertEquals } from "@std/assert";
import { makeFabrics } from "../../lab/cluster/fabric.ts";
import { isAnswered } from "../../lab/pod.ts";
import { waitFor } from "../../lab/wait.ts";
import type { SandboxStatus } from "./cri.ts";
import { makeImage } from "./image.ts";
import { LabNode, type LabNodeOptions } from "./lab_node.ts";
import { describeCalls } from "./plugins.ts";

/** A node that is there until the end of a test. */
export interface ContainerdNode extends AsyncDisposable {
  readonly node: LabNode;
  /** File of the image. */
  readonly image: string;
}

/** Starts a node whose agent has that intent; returns it when our configuration is in force. */
export async function startContainerdNode(
  intent: unknown,
  { flags = [], ...options }: Partial<Pick<LabNodeOptions, "containerd" | "plugins" | "flags">> =
    {},
): Promise<ContainerdNode> {
  const dir = await Deno.makeTempDir({ dir: "/run", prefix: "k8contivnet-node-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const image = await makeImage(dir);
  const fabrics = stack.use(await makeFabrics("none", { dir, mtu: 1500 }));
  await Deno.writeTextFile(`${dir}/intent.json`, JSON.stringify(intent));
  const place = { n: 1, dir: `${dir}/h1`, fabrics, image };
  const all = { ...place, flags: ["--grace", "2", ...flags], ...options };
  const node = stack.use(await LabNode.start(all, "--intent", `${dir}/intent.json`));
  await waitFor("our configuration to be in force", () => isInForce(node, "k8contivnet"));
  const kept = stack.move();
  return { node, image, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Reports whether that network is what containerd uses. */
export async function isInForce({ containerd: { cri } }: LabNode, name: string): Promise<boolean> {
  return `${await cri.networks()}` === name;
}

/** Runs a sandbox; returns its status when the agent has it with the same address. */
export async function runPod(node: LabNode, name: string): Promise<SandboxStatus> {
  const { cri } = node.containerd;
  const status = await cri.status(await cri.run({ name }));
  const item = (await node.host.agent.attachments()).find(({ sandbox }) => sandbox === status.id);
  const addresses = item?.addresses.map((cidr) => cidr.split("/")[0] ?? cidr);
  assertEquals(addresses, [...status.addresses]);
  assertEquals(item?.pod, { namespace: "default", name });
  assert(status.isReady && status.addresses.length === 1);
  return status;
}

/** Reports whether one sandbox reaches another. */
export function reaches(
  { machine }: LabNode,
  from: SandboxStatus,
  to: SandboxStatus,
): Promise<boolean> {
  const inside = async (cmd: string, ...args: string[]) => {
    const { code, out, err } = await machine.run("nsenter", [`--net=${from.netns}`, cmd, ...args]);
    return { code, text: out + err };
  };
  return isAnswered(inside, to.addresses[0]!);
}

/** Returns the calls for a sandbox, in one word each. */
export async function callsOf(
  node: LabNode,
  { id }: { readonly id: string },
): Promise<string[]> {
  return describeCalls(await node.plugins.calls({ of: id }));
}
