// The promise: after `setup` returned 0, the very first packet of the pod is answered. The original
// lost 3 of 40 pods one after the other, and 4 to 6 of 8 at once.

import { assert, assertEquals } from "@std/assert";
import { type Host, intentOf, startHost } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";

const PEER = "10.9.0.1";
// With ports that are added ahead, warm_ports_test.ts tries the same.
const PLAIN = ["--ports", "plain"];

/** Sets up pod0 as the peer and `others` more, then tries a fresh pod `trials` times. */
async function firstPings(others: number, trials: number): Promise<number> {
  await using host = await startHost(intentOf(others + 2), ...PLAIN);
  await fill(host, others + 1);
  let answered = 0;
  for (let trial = 0; trial < trials; trial++) {
    await using pod = await host.pod(`pod${others + 1}`);
    await host.agent.setupByFile(pod);
    if (await pod.pings(PEER)) answered++;
    assertEquals((await host.agent.verb("teardown", pod)).code, 0);
  }
  return answered;
}

/** Connects pod0 … pod<count-1>, sixteen at a time. */
async function fill(host: Host, count: number): Promise<Pod[]> {
  const pods: Pod[] = [];
  for (let at = 0; at < count; at += 16) {
    const names = Array.from({ length: Math.min(16, count - at) }, (_, n) => `pod${at + n}`);
    const some = await Promise.all(names.map((name) => host.pod(name)));
    await Promise.all(some.map((pod) => host.agent.setupOnce(pod)));
    pods.push(...some);
  }
  return pods;
}

for (const [ports, trials] of [[0, 200], [100, 200], [500, 50]] as const) {
  Deno.test(`the first ping after setup is answered ${trials} of ${trials} times at ${ports} ports`, async () => {
    assertEquals(await firstPings(ports, trials), trials);
  });
}

/** Each pod pings the next two, so each is pinged by the two before it. */
async function allMeet(host: Host, pods: readonly Pod[]): Promise<void> {
  const addresses = await addressByPod(host);
  const pairs = pods.flatMap((pod, at) =>
    [1, 2].map((step) => [pod, pods[(at + step) % pods.length]!] as const)
  );
  for (const [from, to] of pairs) {
    const address = addresses.get(to.id);
    assert(address, `${to.name} has no address`);
    assert(await from.reaches(address), `${from.name} -> ${to.name} (${address}) was not answered`);
  }
}

async function addressByPod({ agent }: Host): Promise<Map<string, string>> {
  const items = await agent.attachments();
  return new Map(items.map((item) => [item.sandbox, item.addresses[0]?.split("/")[0] ?? ""]));
}

Deno.test("40 setups one after the other connect 40 pods", async () => {
  await using host = await startHost(intentOf(40), ...PLAIN);
  const pods: Pod[] = [];
  for (let n = 0; n < 40; n++) {
    const pod = await host.pod(`pod${n}`);
    await host.agent.setupByFile(pod);
    pods.push(pod);
  }
  await allMeet(host, pods);
});

for (const count of [8, 50]) {
  Deno.test(`${count} setups at once connect ${count} pods`, async () => {
    await using host = await startHost(intentOf(count), ...PLAIN);
    const names = Array.from({ length: count }, (_, n) => `pod${n}`);
    const pods = await Promise.all(names.map((name) => host.pod(name)));
    await Promise.all(pods.map((pod) => host.agent.setupByFile(pod)));
    await allMeet(host, pods);
  });
}
