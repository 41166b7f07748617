// The agent is killed before and after each external call by which a host follows an intent: one that gives a network
// a distributed gateway, and one that takes it away. After its restart all is there, or nothing.

import { assert } from "@std/assert";
import { tenantWith } from "../fixtures/tenant.ts";
import { becomes, FaultyAgent, tracesOf } from "../lab/faults.ts";
import { type Host, startHost } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";

const GATEWAY = "10.9.1.254";
const NODE = "100.65.0.1";

type GatewayType = "distributed" | "external";

function intentOf(GatewayType: GatewayType): unknown {
  const Reach = GatewayType === "distributed" ? ["host"] : [];
  return {
    Tenants: [tenantWith({
      Networks: [{
        ...{ Name: "blue", SubnetCIDR: "10.9.1.0/24", DefaultGw: GATEWAY, GatewayType, Reach },
        Endpoints: [{ Container: "a1" }, { Container: "a2" }],
      }],
    })],
  };
}

/** Applies it. The agent may be killed meanwhile; then its answer is lost, or it was never asked. */
async function change(host: Host, gateway: GatewayType): Promise<void> {
  const file = `${host.dir}/${gateway}.json`;
  await Deno.writeTextFile(file, JSON.stringify(intentOf(gateway)));
  await waitFor("the intent to be applied", async () => {
    const { code } = await host.agent.call("apply", "-f", file);
    if (code !== 0) await host.agent.start();
    return code === 0;
  });
}

/** Waits until the pod has what the network gives it, and the other pod. */
async function served(pod: Pod, gateway: GatewayType): Promise<void> {
  const isOpen = gateway === "distributed";
  for (const address of [GATEWAY, NODE]) {
    await waitFor(`${address} with gateway ${gateway}`, async () => {
      return await pod.pings(address) === isOpen;
    });
  }
  assert(await pod.reaches("10.9.1.2"));
}

for (const to of ["distributed", "external"] as const) {
  const from = to === "distributed" ? "external" : "distributed";

  Deno.test(`the agent is killed at each call on the way from gateway ${from} to ${to}`, async () => {
    await using host = await startHost(intentOf(from));
    const [pod, peer] = [await host.pod("a1"), await host.pod("a2")];
    for (const one of [pod, peer]) await host.agent.setup(one);
    const faulty = await FaultyAgent.restart(host);
    // The first change is another one: the host gets its number.
    for (const gateway of [to, from] as const) {
      await change(host, gateway);
      await served(pod, gateway);
    }
    const settled = await tracesOf(host);
    const all = await faulty.steps("reconcile", async () => {
      await change(host, to);
      await served(pod, to);
    });
    const steps = all.filter((step) => /\/(reach|stack|switch)\.\w+#1$/.test(step));
    assert(steps.length >= 6, `${steps}`);
    let struck = 0;
    for (const step of steps) {
      for (const mode of ["kill-before", "kill-after"]) {
        await change(host, from);
        await served(pod, from);
        await faulty.arm(step, mode);
        await change(host, to);
        // Where the fault did not strike, the call came in another round.
        await Promise.race([host.agent.stopped(), served(pod, to)]);
        if (await faulty.struck()) struck++;
        await host.agent.stop("SIGKILL");
        await host.agent.start();
        await served(pod, to);
      }
    }
    console.log(`${struck} of ${2 * steps.length} kills struck`);
    assert(struck >= steps.length, `${struck} kills struck`);
    await change(host, from);
    await served(pod, from);
    if (from === "external") await becomes(host, settled);
  });
}
