// A fault before and after every external call of a setup and of a teardown. Which steps there are is
// recorded from the agent itself: a new one is tested without a change here.

import { assert, assertEquals } from "@std/assert";
import { becomes, FaultyAgent, type Traces, tracesOf } from "../lab/faults.ts";
import { type Host, intentOf, startHost } from "../lab/host.ts";
import type { Ended } from "../lab/agent.ts";
import { waitFor } from "../lab/wait.ts";
import type { Pod } from "../lab/pod.ts";
import { FACTOR, scaled } from "../lab/limits.ts";

/** One host with a pod that stays and one that is set up and torn down, over and over. */
interface Stage {
  readonly host: Host;
  readonly faulty: FaultyAgent;
  readonly peer: Pod;
  readonly pod: Pod;
  readonly before: Traces;
}

const VERBS = ["setup", "teardown"] as const;
type Verb = typeof VERBS[number];

// The exec face by itself: its one answer, not what a repetition makes of it.
const ONCE = { K8CONTIVNET_SETUP_SECONDS: "0.1", K8CONTIVNET_DOOR: "none" };

async function onStage(work: (stage: Stage) => Promise<void>): Promise<void> {
  await using host = await startHost(intentOf(2), "--call-limit", `${FACTOR}`);
  const [peer, pod] = [await host.pod("pod0"), await host.pod("pod1")];
  await host.agent.setup(peer);
  const faulty = await FaultyAgent.restart(host);
  await work({ host, faulty, peer, pod, before: await tracesOf(host) });
}

/** Records the steps of both verbs; twice, as the first setup of a start asks more than a later one. */
async function record({ host, faulty, pod, before }: Stage): Promise<Record<Verb, string[]>> {
  const steps = { setup: new Set<string>(), teardown: new Set<string>() };
  for (let n = 0; n < 2; n++) {
    for (const verb of VERBS) {
      const work = async () => {
        await done(host, verb, pod);
        if (verb === "teardown") await becomes(host, before);
      };
      for (const step of await faulty.steps(verb, work)) steps[verb].add(step);
    }
  }
  return { setup: [...steps.setup], teardown: [...steps.teardown] };
}

async function done({ agent }: Host, verb: Verb, pod: Pod): Promise<void> {
  const { code, err } = await agent.verb(verb, pod);
  assertEquals(code, 0, `${verb}: ${err}`);
}

/** What holds between two cases: only the peer is there, and it is served. */
async function clean({ host, pod, peer, before }: Stage, step: string): Promise<void> {
  await done(host, "setup", pod);
  assert(await pod.reaches("10.9.0.1"), `after ${step} the pod does not reach its peer`);
  assertEquals((await host.agent.attachments()).map(({ state }) => state), ["ready", "ready"]);
  await done(host, "teardown", pod);
  await becomes(host, before);
  assertEquals((await host.agent.attachments()).map(({ sandbox }) => sandbox), [peer.id]);
}

/** Plays `mode` at each of `steps`; returns how many faults struck. A step may come only now and then. */
async function playAll(
  stage: Stage,
  mode: string,
  steps: readonly string[],
  act: (verb: Verb) => Promise<Ended>,
): Promise<number> {
  const missed: string[] = [];
  for (const step of steps) {
    const verb = step.startsWith("setup/") ? "setup" : "teardown";
    if (verb === "teardown") await done(stage.host, "setup", stage.pod);
    await stage.faulty.arm(step, mode);
    const ended = await act(verb);
    if (!await stage.faulty.struck()) missed.push(step);
    try {
      await judge(stage, step, ended);
      await clean(stage, step);
    } catch (cause) {
      throw new Error(`${step} ${mode}: ${(cause as Error).message}`, { cause });
    }
  }
  // Of steps that come twice only when something else happens at the same time.
  assert(missed.length <= steps.length / 5, `did not come: ${missed}`);
  return steps.length - missed.length;
}

/** An answer is right when it says 0 and all is there, or one sentence and nothing is. */
async function judge(stage: Stage, step: string, { code, out, err }: Ended): Promise<void> {
  const { host, pod, before } = stage;
  assertEquals(out, "");
  if (step.startsWith("teardown/")) {
    assertEquals(code, 0, err);
    return await becomes(host, before);
  }
  if (code === 0) return assert(await pod.reaches("10.9.0.1"), "0 without a network");
  assert(code === 5 || code === 6, `exit code ${code}: ${err}`);
  assert(err.length > 0 && err.length <= 200 && !err.includes("\n"), err);
  // A claim whose answer was lost is the store's all the same: a look makes it true, as a whole.
  if (step.startsWith("setup/store.commit#1")) return await becomesWhole(stage);
  await becomes(host, before);
}

/** Waits until the pod is served, or nothing of it is there, whatever the store has of it. */
async function becomesWhole({ host, pod, before }: Stage): Promise<void> {
  await waitFor("all or nothing", async () => {
    const item = (await host.agent.attachments()).find(({ sandbox }) => sandbox === pod.id);
    if (item) return item.state === "ready" && await pod.pings("10.9.0.1");
    return JSON.stringify(await tracesOf(host)) === JSON.stringify(before);
  });
}

for (const mode of ["kill-before", "kill-after"]) {
  Deno.test(`${mode} of every external call: what is wanted is there after a restart, and nothing else`, async () => {
    await onStage(async (stage) => {
      const { host, pod } = stage;
      const { setup, teardown } = await record(stage);
      const cases = await playAll(stage, mode, [...setup, ...teardown], async (verb) => {
        const call = host.agent.verb(verb, pod);
        await Promise.race([call, host.agent.stopped()]);
        await host.agent.stop("SIGKILL"); // where the fault did not strike
        await host.agent.start();
        return await call;
      });
      console.log(`fault cases: ${cases} (${mode})`);
      assert(cases >= 20, `${cases} cases`);
    });
  });
}

for (const mode of ["fail", "lose", "hang"]) {
  Deno.test(`${mode} at every external call: one sentence in time, nothing is left, and the next setup works`, async () => {
    await onStage(async (stage) => {
      const { host, pod } = stage;
      const { setup, teardown } = await record(stage);
      const cases = await playAll(stage, mode, [...setup, ...teardown], async (verb) => {
        const started = performance.now();
        const ended = await host.agent.callWith(ONCE, verb, pod.namespace, pod.name, pod.id);
        assert(performance.now() - started < scaled(60_000), "no answer within 60 s");
        return ended;
      });
      console.log(`fault cases: ${cases} (${mode})`);
      assert(cases >= 20, `${cases} cases`);
    });
  });
}
