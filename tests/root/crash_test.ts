// What is left: nothing after rounds of setup and teardown, nothing but what is wanted after kill -9.

import { assert, assertEquals } from "@std/assert";
import { type Host, intentOf, poolFilled, startHost, worldOf } from "../lab/host.ts";
import type { Ended } from "../lab/agent.ts";
import type { Pod } from "../lab/pod.ts";
import { openFiles } from "../lab/files.ts";
import { freezeProcess } from "../lab/freeze.ts";
import { randomFrom } from "../lab/random.ts";
import { waitFor } from "../lab/wait.ts";
import { lostPings } from "../lab/pings.ts";

for (const ports of ["plain", "warm"] as const) {
  Deno.test(`200 rounds of setup and teardown leave ports, links, claims and files as they were, ${ports} ports`, async () => {
    await using host = await startHost(intentOf(3), "--ports", ports);
    const [peer, pod] = [await host.pod("pod0"), await host.pod("pod1")];
    await host.agent.setup(peer);
    if (ports === "warm") await poolFilled(host);
    await round(host, pod); // what the first use opens and keeps is part of "before"
    const before = { world: await settled(host), files: await lastingFiles(host) };
    for (let n = 0; n < 200; n++) await round(host, pod);
    assertEquals(await settled(host), before.world);
    await waitFor("files to be closed", async () => {
      return (await openFiles(host.agent.pid)).length <= before.files.length;
    });
    assertEquals(await openFiles(host.agent.pid), before.files);
  });
}

/** Returns the open files of the agent once there are none of what it does after its answers, such as announcing a pod. */
async function lastingFiles(host: Host): Promise<string[]> {
  let last: string[] = [];
  return await waitFor("files that stay open", async () => {
    const before = last;
    last = await openFiles(host.agent.pid);
    await new Promise((done) => setTimeout(done, 300));
    return before.join() === last.join() && last;
  });
}

async function round(host: Host, pod: Pod): Promise<void> {
  await host.agent.setupByFile(pod);
  assertEquals((await host.agent.verb("teardown", pod)).code, 0);
}

/** Links and guards go a moment after the answer: waits until each attachment has its own alone. */
async function settled(host: Host) {
  return await waitFor("links and guards to be gone", async () => {
    const world = await worldOf(host);
    const links = world.links.filter(isPort);
    const guarded = new Set(world.flows.flatMap((flow) => /in_port=(\d+)/.exec(flow)?.[1] ?? []));
    const { length } = world.attachments;
    return links.length === length && guarded.size === length && world;
  });
}

/** Reports whether that is the name of a pod's port, warm or not. */
function isPort(name: string): boolean {
  return /\bc[vw][0-9a-f]{11}\b/.test(name);
}

const MOMENTS = 20;
const AFTER_COMMIT = 6;

for (const ports of ["plain", "warm"] as const) {
  Deno.test(`kill -9 of the agent at 20 moments of a burst: all wanted is there, nothing else, no packet lost, ${ports} ports`, async () => {
    const seed = Number(Deno.env.get("SEED") ?? Date.now() % 100_000);
    console.log(`seed ${seed}`);
    const random = randomFrom(seed);
    await using host = await startHost(intentOf(10), "--ports", ports);
    const [one, two] = [await host.pod("pod0"), await host.pod("pod1")];
    await host.agent.setup(one);
    await host.agent.setup(two);
    if (ports === "warm") await poolFilled(host);
    for (let moment = 0; moment < MOMENTS; moment++) {
      await using crowd = new AsyncDisposableStack();
      const pods: Pod[] = [];
      for (let n = 2; n < 10; n++) pods.push(crowd.use(await host.pod(`pod${n}`)));
      const pinging = lostPings(one, "10.9.0.2", { count: 150 });
      const burst = pods.map((pod) => host.agent.verb("setup", pod));
      if (moment < AFTER_COMMIT) await killBetweenCommitAndReady(host);
      else await killAfter(host, random() * 120);
      await host.agent.start();
      assertAllDone(await Promise.all(burst));
      await assertAsWanted(host, [one, two, ...pods]);
      assertEquals(await pinging, [], `pings lost at moment ${moment}`);
      for (const pod of pods) assertEquals((await host.agent.verb("teardown", pod)).code, 0);
    }
  });
}

/** Stops ovs-vswitchd so that rows are committed and no port can become ready; then kills. */
async function killBetweenCommitAndReady({ agent, ovs }: Host): Promise<void> {
  freezeProcess(ovs.vswitchdPid!);
  try {
    await waitFor("a row of a pod whose port cannot be there yet", async () => {
      const rows = await ovs.vsctl("--columns=external_ids", "list", "Port");
      return /\bpod=pod[2-9]\b/.test(rows);
    });
    await agent.stop("SIGKILL");
  } finally {
    Deno.kill(ovs.vswitchdPid!, "SIGCONT");
  }
}

async function killAfter({ agent }: Host, ms: number): Promise<void> {
  await new Promise((done) => setTimeout(done, ms));
  await agent.stop("SIGKILL");
}

function assertAllDone(ended: readonly Ended[]): void {
  for (const { code, err } of ended) assertEquals(code, 0, err);
}

async function assertAsWanted(host: Host, pods: readonly Pod[]): Promise<void> {
  const items = await host.agent.attachments();
  assertEquals(items.map((item) => item.sandbox).sort(), pods.map((pod) => pod.id).sort());
  assertEquals(items.filter((item) => item.state !== "ready"), []);
  const world = await settled(host);
  assertEquals(world.links.filter(isPort).length, pods.length);
  assertEquals(world.ports.filter(isPort).length, pods.length);
  for (const pod of pods.slice(1)) {
    assert(await pod.reaches("10.9.0.1"), `${pod.name} does not reach pod0`);
  }
}
