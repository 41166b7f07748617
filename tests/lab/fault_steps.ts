// Faults at every external call of an attachment and of its removal, by whichever face they are asked for.
// Which steps there are is recorded from the agent itself: a new one is tested without a change here.

import { assert, assertEquals } from "@std/assert";
import { becomes, FaultyAgent, type Traces, tracesOf } from "./faults.ts";
import { type Host, intentOf, parkedPorts, poolFilled, startHost } from "./host.ts";
import type { Ended } from "./agent.ts";
import { waitFor } from "./wait.ts";
import type { Pod } from "./pod.ts";
import { FACTOR, scaled } from "./limits.ts";

/** One host with a pod that stays and one that is set up and torn down, over and over. */
interface Stage {
  readonly face: Face;
  readonly host: Host;
  readonly faulty: FaultyAgent;
  readonly peer: Pod;
  readonly pod: Pod;
  readonly before: Traces;
}

const VERBS = ["setup", "teardown"] as const;
type Verb = typeof VERBS[number];

/** How a pod is attached and removed. */
export interface Face {
  /** Names under which the agent does it: the scopes of its external calls. */
  readonly scopes: Readonly<Record<Verb, string>>;
  /** Pods get warm ports. @default false */
  readonly isWarm?: boolean;
  /** Names pods pod0 and pod1 in a network that has 10.9.0.0/16. @default intentOf(2) */
  readonly intent?: unknown;
  /** Reports what else a pod must be able to do that is set up. */
  readonly isServed?: (pod: Pod) => Promise<boolean>;
  /** Whether to attach a pod that is attached is a success; otherwise it is removed before. */
  readonly isRepeatable: boolean;
  /** Asks for it; a failure that may pass is exit code 5 or 6. With `isOnce`, nothing is tried again. */
  call(host: Host, verb: Verb, pod: Pod, isOnce?: boolean): Promise<Ended>;
}

async function onStage(face: Face, work: (stage: Stage) => Promise<void>): Promise<void> {
  const ports = ["--ports", face.isWarm ? "warm" : "plain"];
  const intent = face.intent ?? intentOf(2);
  await using host = await startHost(intent, "--call-limit", `${FACTOR}`, ...ports);
  const [peer, pod] = [await host.pod("pod0"), await host.pod("pod1")];
  await host.agent.setup(peer);
  const faulty = await FaultyAgent.restart(host);
  if (face.isWarm) await poolFilled(host);
  await work({ face, host, faulty, peer, pod, before: await tracesOf(host) });
}

/** Records the steps of both verbs; twice, as the first setup of a start asks more than a later one. */
async function record(stage: Stage): Promise<Record<Verb, string[]>> {
  const { face, host, faulty, before } = stage;
  const steps = { setup: new Set<string>(), teardown: new Set<string>() };
  for (let n = 0; n < 2; n++) {
    await ready(stage);
    for (const verb of VERBS) {
      const work = async () => {
        await done(stage, verb);
        if (verb === "teardown") await becomes(host, before);
      };
      for (const step of await faulty.steps(face.scopes[verb], work)) steps[verb].add(step);
    }
  }
  return { setup: [...steps.setup], teardown: [...steps.teardown] };
}

/** Waits until the next pod gets a warm port, where pods do. */
async function ready({ face, host }: Stage): Promise<void> {
  if (!face.isWarm) return;
  await waitFor("a parked port", async () => (await parkedPorts(host)).length > 0, {
    limitMs: 30_000,
  });
}

async function done({ face, host, pod }: Stage, verb: Verb): Promise<void> {
  const { code, err } = await face.call(host, verb, pod);
  assertEquals(code, 0, `${verb}: ${err}`);
}

/** What holds between two cases: only the peer is there, and it is served. */
async function clean(stage: Stage, step: string): Promise<void> {
  const { face, host, pod, peer, before } = stage;
  if (!face.isRepeatable) await done(stage, "teardown");
  await done(stage, "setup");
  assert(await pod.reaches("10.9.0.1"), `after ${step} the pod does not reach its peer`);
  const { isServed } = face;
  if (isServed) await waitFor(`the pod to be served after ${step}`, () => isServed(pod));
  assertEquals((await host.agent.attachments()).map(({ state }) => state), ["ready", "ready"]);
  await done(stage, "teardown");
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
    const verb = step.startsWith(`${stage.face.scopes.setup}/`) ? "setup" : "teardown";
    await ready(stage);
    if (verb === "teardown") await done(stage, "setup");
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
  const { face: { scopes }, host, pod, before } = stage;
  assertEquals(out, "");
  if (step.startsWith(`${scopes.teardown}/`)) {
    assertEquals(code, 0, err);
    return await becomes(host, before);
  }
  if (code === 0) return assert(await pod.reaches("10.9.0.1"), "0 without a network");
  assert(code === 5 || code === 6, `exit code ${code}: ${err}`);
  assert(err.length > 0 && err.length <= 200 && !err.includes("\n"), err);
  // A claim whose answer was lost is the store's all the same: a look makes it true, as a whole.
  if (step.startsWith(`${scopes.setup}/store.commit#1`)) return await becomesWhole(stage);
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

/** Declares the tests of one face; `name` is for their names. */
export function faultSteps(name: string, face: Face): void {
  for (const mode of ["kill-before", "kill-after"]) {
    Deno.test(`${name}: ${mode} of every external call: what is wanted is there after a restart, and nothing else`, async () => {
      await onStage(face, async (stage) => {
        const { host, pod } = stage;
        const { setup, teardown } = await record(stage);
        const cases = await playAll(stage, mode, [...setup, ...teardown], async (verb) => {
          const call = face.call(host, verb, pod);
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
    Deno.test(`${name}: ${mode} at every external call: one sentence in time, nothing is left, and the next setup works`, async () => {
      await onStage(face, async (stage) => {
        const { host, pod } = stage;
        const { setup, teardown } = await record(stage);
        const cases = await playAll(stage, mode, [...setup, ...teardown], async (verb) => {
          const started = performance.now();
          const ended = await face.call(host, verb, pod, true);
          assert(performance.now() - started < scaled(60_000), "no answer within 60 s");
          return ended;
        });
        console.log(`fault cases: ${cases} (${mode})`);
        assert(cases >= 20, `${cases} cases`);
      });
    });
  }
}
