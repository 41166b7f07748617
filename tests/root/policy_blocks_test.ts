// Blocks of NetworkPolicies as Kubernetes' API servers read them, with real traffic.

import { assertEquals } from "@std/assert";
import type { KubePod } from "../../lib/policy/input.ts";
import { tenantWith } from "../fixtures/tenant.ts";
import { startHost } from "../lab/host.ts";
import { setIngress } from "../lab/ingress_policy.ts";
import { Talker } from "../lab/talk.ts";
import { waitFor } from "../lab/wait.ts";

const NAMES = ["web", "friend", "stranger"];
const INTENT = {
  Tenants: [tenantWith({
    Networks: [{ Name: "blue", Endpoints: NAMES.map((Container) => ({ Container })) }],
  })],
};

const BLOCKS = [
  { cidr: "010.009.000.000/029", except: ["10.9.0.3/32"] },
  { cidr: "10.9.0.0/29", except: ["010.009.000.003/032"] },
  { cidr: "::ffff:10.9.0.0/125", except: ["::ffff:0a09:0003/128"] },
];

Deno.test("an ipBlock with leading zeros, or IPv4-mapped, lets in what Kubernetes would, and its except does not", async () => {
  await using host = await startHost(INTENT);
  await using stack = new AsyncDisposableStack();
  const talkers: Talker[] = [];
  const pods: KubePod[] = [];
  for (const name of NAMES) {
    const pod = await host.pod(name);
    await host.agent.setup(pod);
    talkers.push(stack.use(await Talker.start(pod, { tcp: [80] })));
    const addresses = [await host.agent.addressOf(pod)];
    pods.push({ namespace: "default", name, uid: pod.id, labels: { name }, addresses, ports: [] });
  }
  const ips = pods.map(({ addresses: [ip = ""] }) => ip);
  assertEquals(ips, ["10.9.0.1", "10.9.0.2", "10.9.0.3"]);
  const allow = (from: readonly unknown[]) =>
    setIngress(host.agent.socket, pods, from.length === 0 ? [] : [{ from }]);
  const [, friend, stranger] = talkers;
  for (const ipBlock of BLOCKS) {
    await allow([]);
    await waitFor("the pod to be closed", async () => !await friend!.asks("tcp", ips[0]!, 80));
    await allow([{ ipBlock }]);
    const seen = {
      ipBlock,
      friend: await friend!.asks("tcp", ips[0]!, 80),
      stranger: await stranger!.asks("tcp", ips[0]!, 80),
    };
    assertEquals(seen, { ipBlock, friend: true, stranger: false });
  }
});
