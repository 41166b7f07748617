// Endpoints that are written after their pods started: which pods get them, and which never do.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { PodRequest } from "../../../../lib/agent/api/pod_requests.ts";
import { Containers } from "../../../../lib/agent/pods/known_containers.ts";
import {
  attachLatePods,
  type LateAttachDeps,
  latePods,
} from "../../../../lib/agent/pods/late_attach.ts";
import { noPodMetadata } from "../../../../lib/agent/pods/pod_metadata.ts";
import { SandboxSet } from "../../../../lib/agent/pods/sandbox_set.ts";
import { UnmatchedPods } from "../../../../lib/agent/pods/unmatched_pods.ts";
import type { Documents, EndpointRecord } from "../../../../lib/intent/records.ts";
import { Backoff } from "../../../../lib/util/async/backoff.ts";
import { KeyedQueue } from "../../../../lib/util/async/keyed_queue.ts";
import { Fault, type FaultCode } from "../../../../lib/util/errors.ts";
import { LogDedup } from "../../../../lib/util/log_dedup.ts";
import { MemoryLog } from "../../../memory/memory_log.ts";
import { startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { attachmentOf, documentsOf, endpointOf, HOUR } from "./dynamic_records.ts";

const WEB: PodRequest = { namespace: "default", name: "web", sandbox: "a".repeat(64) };

/** Returns an endpoint for container `web`, as an intent writes it. */
function named(more: Partial<EndpointRecord> = {}): EndpointRecord {
  return {
    ...{ schema: 1, tenant: "t", network: "blue", container: "web", address: "10.9.0.1" },
    ...{ addressBy: "pool" as const, ...more },
  };
}

/** Returns the documents of these and of networks t/blue and t/red, neither of which is a default one. */
function withoutDefault(
  endpoints: readonly EndpointRecord[],
  attachments: readonly ReturnType<typeof held>[] = [],
) {
  const blue = { ...documentsOf().get("networks/t/blue")!.value as object, default: false };
  const more = Object.fromEntries(
    endpoints.map((one) => [`endpoints/t/${one.network}/${one.container}`, one]),
  );
  const networks = { "networks/t/blue": blue, "networks/t/red": { ...blue, name: "red" } };
  return documentsOf({ attachments, more: { ...more, ...networks } });
}

/** Returns the attachment of an endpoint in a sandbox. */
function held(sandbox: string, more: object = {}) {
  return attachmentOf("web", "10.9.0.1", { endpoint: "web", sandbox, ...more });
}

/** What late attaching works with; `setUpLate` records what it is asked for and does `work`. */
function depsOf(
  documents: Documents,
  work: (deps: LateAttachDeps) => Promise<void> | void = () => {},
) {
  const setUps: string[] = [];
  const [log, clock] = [new MemoryLog(), { ms: 0 }];
  const deps: LateAttachDeps = {
    ...{ host: "host1", log, logDedup: new LogDedup() },
    store: {
      ...{ documents, isWhole: true, knows: () => true },
      keep: () => Promise.resolve(),
      read: () => Promise.resolve(new Map()),
    },
    sandboxes: {
      queue: new KeyedQueue(),
      unmatched: new UnmatchedPods(),
      tornDown: new SandboxSet(),
      statusAsked: new SandboxSet(),
      containers: new Containers(),
    },
    clock: { now: () => clock.ms },
    backoff: new Backoff(),
    podMetadata: noPodMetadata,
    setUpLate: async (pod) => {
      setUps.push(pod.sandbox);
      await work(deps);
      return { attachments: [] };
    },
  };
  return { deps, log, clock, setUps, left: () => deps.sandboxes.unmatched.list() };
}

/** Notes that the runtime lists WEB as a container without a kubelet. */
function listPlain({ sandboxes: { containers } }: LateAttachDeps): void {
  containers.take([{ id: WEB.sandbox, name: WEB.name }], { now: 0, isAttached: () => false });
}

// ---- which pods are late

type Case = readonly [what: string, {
  readonly endpoints: readonly EndpointRecord[];
  readonly attachments?: readonly ReturnType<typeof held>[];
  readonly isPlain?: boolean;
  readonly isTornDown?: boolean;
}];

const OTHER = "b".repeat(64);
const on = (host: string) => ({ bound: { host, generation: 1 } });
const second = named({ container: "web", network: "red" });

const LATE: readonly Case[] = [
  ["its endpoint is bound to none", { endpoints: [named()] }],
  ["its endpoint is bound to this host and attached to none", { endpoints: [named(on("host1"))] }],
  ["its endpoint is pinned to this host", {
    endpoints: [named({ pin: { host: "host1" }, ...on("host2") })],
  }],
  ["the intent says this host", { endpoints: [named({ host: "host1", ...on("host2") })] }],
  ["it is a plain container, and its endpoint is attached nowhere", {
    ...{ endpoints: [named(on("host2"))], isPlain: true },
  }],
  ["an endpoint names its id", {
    endpoints: [named({ container: "other", attachUuid: WEB.sandbox.slice(0, 12) })],
  }],
  ["it is a plain container, and an endpoint names its id", {
    endpoints: [named({ container: "other", attachUuid: WEB.sandbox.slice(0, 12) })],
    isPlain: true,
  }],
  ["it has one endpoint, and another one was written later", {
    endpoints: [named(on("host1")), second],
    attachments: [held(WEB.sandbox)],
  }],
];

const NOT_LATE: readonly Case[] = [
  ["no endpoint names it", { endpoints: [named({ container: "db" })] }],
  ["the endpoint is for another namespace", { endpoints: [named({ namespace: "prod" })] }],
  ["another sandbox here has its endpoint", {
    endpoints: [named(on("host1"))],
    attachments: [held(OTHER)],
  }],
  ["another sandbox here has its endpoint, which is pinned here", {
    endpoints: [named({ pin: { host: "host1" }, ...on("host1") })],
    attachments: [held(OTHER)],
  }],
  ["its endpoint is bound to another host", { endpoints: [named(on("host2"))] }],
  ["its endpoint is pinned to another host", { endpoints: [named({ pin: { host: "host2" } })] }],
  ["it is a plain container, and its endpoint is attached on another host", {
    ...{ endpoints: [named(on("host2"))], isPlain: true },
    attachments: [held(OTHER, { host: "host2" })],
  }],
  ["it has its endpoint already", {
    endpoints: [named(on("host1"))],
    attachments: [held(WEB.sandbox)],
  }],
  ["one of its two endpoints is another sandbox's", {
    endpoints: [named(on("host1")), second],
    attachments: [held(OTHER)],
  }],
  ["it was torn down", { endpoints: [named()], isTornDown: true }],
  ["it has an address of a default network, which does not move under it", {
    endpoints: [endpointOf("web", "10.9.0.1"), second],
    attachments: [attachmentOf("web", "10.9.0.1", { sandbox: WEB.sandbox })],
  }],
];

for (const [cases, isLate] of [[LATE, true], [NOT_LATE, false]] as const) {
  for (const [what, { endpoints, attachments = [], isPlain, isTornDown }] of cases) {
    Deno.test(`a pod ${isLate ? "is" : "is not"} attached later where ${what}`, async () => {
      const documents = withoutDefault(endpoints, attachments);
      const { deps, setUps } = depsOf(documents);
      if (isPlain) listPlain(deps);
      else deps.sandboxes.unmatched.add(WEB, "no endpoint names it");
      if (isTornDown) deps.sandboxes.tornDown.add(WEB.sandbox);
      const isAmong = (ids: readonly string[]) => ids.includes(WEB.sandbox);
      assertEquals(isAmong(latePods(deps).map(({ sandbox }) => sandbox)), isLate);
      assertEquals(await attachLatePods(deps), 0);
      assertEquals(isAmong(setUps), isLate);
    });
  }
}

const elsewhere: Documents = new Map([[`members/t/blue/host2/${OTHER}/eth0`, {
  value: held(OTHER, { host: "host2" }),
  revision: 7,
}]]);

for (
  const [what, read, isKnown, isTaken] of [
    ["is attached there by the store", () => Promise.resolve(elsewhere), true, false],
    ["is attached nowhere by the store", () => Promise.resolve(new Map()), true, true],
    ["is of a network that is not known", () => Promise.resolve(new Map()), false, false],
    [
      "may be attached there, as the store does not answer",
      () => Promise.reject(new Fault("timeout", "no answer in time")),
      ...[true, false],
    ],
  ] as const
) {
  Deno.test(`where a part of the store is known, a plain container ${isTaken ? "gets" : "does not get"} an endpoint bound to another host that ${what}`, async () => {
    const { deps, setUps } = depsOf(withoutDefault([named(on("host2"))]));
    listPlain(deps);
    const asked: string[] = [];
    const store = {
      ...{ ...deps.store, isWhole: false, knows: () => isKnown },
      read: (prefix: string) => {
        asked.push(prefix);
        return read();
      },
    };
    assertEquals(await attachLatePods({ ...deps, store }), 0);
    assertEquals(setUps, isTaken ? [WEB.sandbox] : []);
    assertEquals(asked, isKnown ? ["members/t/blue/host2/"] : []);
  });
}

Deno.test("of hundreds of containers that nothing names none is set up, and nothing is logged", async () => {
  const { deps, log, setUps } = depsOf(documentsOf({ endpoints: [named()] }));
  const listed = Array.from({ length: 300 }, (_, at) => {
    const id = at.toString(16).padStart(64, "0");
    return { id, name: `other-${at}` };
  });
  deps.sandboxes.containers.take(listed, { now: 0, isAttached: () => false });
  assertEquals([await attachLatePods(deps), setUps, log.lines], [0, [], []]);
});

for (const [what, isPlain, lines] of [["plain container", true, 1], ["pod", false, 0]] as const) {
  Deno.test(`a ${what} whose endpoint belongs elsewhere is left alone, with ${lines} line in the log`, async () => {
    const { deps, log, setUps } = depsOf(withoutDefault([named({ pin: { host: "host2" } })]));
    if (isPlain) listPlain(deps);
    else deps.sandboxes.unmatched.add(WEB, "no endpoint names it");
    for (let times = 0; times < 3; times++) await attachLatePods(deps);
    assertEquals([log.lines.length, setUps], [lines, []]);
    for (const line of log.lines) assertStringIncludes(line, "host2");
  });
}

// ---- what a late set-up ends with

/** Failures of late set-ups: counted, kept as unmatched, lines in the log after three tries. */
const ENDS: readonly (readonly [FaultCode, failed: number, isKept: boolean, lines: number])[] = [
  ["unavailable", 1, true, 1],
  ["timeout", 1, true, 1],
  ["failed", 1, true, 1],
  ["conflict", 0, true, 1],
  ["exhausted", 0, true, 1],
  ["not_found", 0, false, 0],
  ["usage", 0, false, 0],
];

for (const [code, failed, isKept, lines] of ENDS) {
  Deno.test(`a late set-up that ends with ${code} is ${failed ? "tried again soon" : "no failure"}, and logged ${lines} times`, async () => {
    const { deps, log, left } = depsOf(documentsOf({ endpoints: [named()] }), () => {
      throw new Fault(code, "not attached");
    });
    deps.sandboxes.unmatched.add(WEB, "no endpoint names it", { app: "web" });
    assertEquals(await attachLatePods(deps), failed);
    assertEquals(
      left(),
      isKept ? [{ pod: WEB, reason: "not attached", labels: { app: "web" } }] : [],
    );
    for (let times = 0; times < 2; times++) await attachLatePods(deps);
    const errors = log.lines.filter((line) => line.startsWith("error"));
    assertEquals(errors.length, lines);
    for (const line of errors) assertStringIncludes(line, "default/web");
  });
}

Deno.test("a container that turns out not to be a sandbox is not tried again", async () => {
  const { deps, setUps } = depsOf(documentsOf({ endpoints: [named()] }), () => {
    throw new Fault("usage", "it uses the network of another container");
  });
  listPlain(deps);
  for (let times = 0; times < 3; times++) assertEquals(await attachLatePods(deps), 0);
  assertEquals(setUps.length, 1);
});

Deno.test("what its own set-up has refused and remembered anew is not logged a second time", async () => {
  const { deps, log, left } = depsOf(documentsOf({ endpoints: [named()] }), ({ sandboxes }) => {
    sandboxes.unmatched.add(WEB, "refused just now");
    throw new Fault("failed", "refused just now");
  });
  deps.sandboxes.unmatched.add(WEB, "no endpoint names it");
  assertEquals(await attachLatePods(deps), 0);
  assertEquals([log.lines, left().map(({ reason }) => reason)], [[], ["refused just now"]]);
});

Deno.test("a failure is logged again when another one came between", async () => {
  let message = "first";
  const { deps, log } = depsOf(documentsOf({ endpoints: [named()] }), () => {
    throw new Fault("failed", message);
  });
  deps.sandboxes.unmatched.add(WEB, "no endpoint names it");
  for (message of ["first", "first", "second", "first"]) await attachLatePods(deps);
  assertEquals(log.lines.length, 3);
});

Deno.test("a teardown that came before its turn keeps a late pod from being attached", async () => {
  const { deps, setUps } = depsOf(documentsOf({ endpoints: [named()] }));
  deps.sandboxes.unmatched.add(WEB, "no endpoint names it");
  const teardown = deps.sandboxes.queue.run(WEB.sandbox, async () => {
    await new Promise((done) => setTimeout(done, 5));
    deps.sandboxes.tornDown.add(WEB.sandbox);
  });
  assertEquals(await attachLatePods(deps), 0);
  await teardown;
  assertEquals(setUps, []);
});

// ---- pods that a network serves by now

const inBlue = (more: Partial<Parameters<typeof documentsOf>[0]> = {}) => documentsOf(more);

Deno.test("a pod that a default network serves by now is tried, and again only after pauses that grow", async () => {
  const { deps, clock, setUps } = depsOf(inBlue());
  deps.sandboxes.unmatched.add(WEB, "no network is for it");
  const at = async (ms: number) => {
    clock.ms = ms;
    await attachLatePods(deps);
    return setUps.length;
  };
  assertEquals([await at(0), await at(1), await at(999), await at(1_000)], [1, 1, 1, 2]);
  assertEquals([await at(2_999), await at(3_000), await at(6_999), await at(7_000)], [2, 3, 3, 4]);
});

Deno.test("it is tried at once when the network has changed, or an address was given back", async () => {
  const documents = inBlue({ endpoints: [endpointOf("old", "10.9.0.2")] });
  const { deps, setUps } = depsOf(documents);
  deps.sandboxes.unmatched.add(WEB, "the pool is full");
  await attachLatePods(deps);
  await attachLatePods(deps);
  assertEquals(setUps.length, 1);
  documents.delete("claims/ip/t/blue/10.9.0.2");
  await attachLatePods(deps);
  assertEquals(setUps.length, 2);
  const network = documents.get("networks/t/blue")!.value as object;
  documents.set("networks/t/blue", { value: { ...network, subnet: "10.9.8.0/24" }, revision: 6 });
  await attachLatePods(deps);
  assertEquals(setUps.length, 3);
});

Deno.test("the pauses begin anew once it was attached", async () => {
  let isServed = false;
  const { deps, setUps } = depsOf(inBlue(), ({ sandboxes }) => {
    if (isServed) sandboxes.unmatched.remove(WEB.sandbox);
  });
  for (isServed of [false, true, false]) {
    deps.sandboxes.unmatched.add(WEB, "no network is for it");
    deps.backoff.forget(isServed ? `late ${WEB.sandbox}` : "");
    await attachLatePods(deps);
  }
  assertEquals(setUps.length, 3);
});

for (
  const [what, documents, atHand, count] of [
    ["its labels are not at hand", inBlue(), () => undefined, 0],
    [
      "it has an endpoint there",
      inBlue({ endpoints: [endpointOf("web", "10.9.0.2")] }),
      undefined,
      0,
    ],
    [
      "its address there is held for it",
      inBlue({ endpoints: [endpointOf("web", "10.9.0.2", { heldSince: HOUR })], holdAddress: 60 }),
      undefined,
      1,
    ],
    ["no network is for it", documentsOf({ more: { "networks/t/blue": {} } }), undefined, 0],
  ] as const
) {
  Deno.test(`a pod without an endpoint is tried ${count} times where ${what}`, async () => {
    const { deps, setUps } = depsOf(documents);
    deps.sandboxes.unmatched.add(WEB, "no network is for it");
    const podMetadata = { atHand: atHand ?? noPodMetadata.atHand };
    await attachLatePods({ ...deps, podMetadata });
    assertEquals(setUps.length, count);
  });
}

// ---- a whole agent

Deno.test("an endpoint that is written later is attached to its pod, to its plain container, and to no other", async () => {
  using agent = await startMemoryAgent();
  const { reconcileOnce } = agent.agent.loops.reconcile;
  await agent.apply([{ Name: "n" }]);
  await reconcileOnce();
  const pod = startPod(agent.host, "web");
  await agent.setUp(pod);
  await agent.setUp(startPod(agent.host, "stranger"));
  const plain = agent.host.runtimes.start({ name: "db" });
  agent.agent.sandboxes.containers.take([{ id: plain, name: "db" }], {
    ...{ now: 0, isAttached: () => false },
  });
  await reconcileOnce();
  assertEquals(agent.attachments(), []);
  await agent.apply([{ Name: "n", Endpoints: [{ Container: "web" }, { Container: "db" }] }]);
  assertEquals(await reconcileOnce(), 0);
  const ready = agent.attachments().map(({ sandbox, state }) => [sandbox, state]).sort();
  assertEquals(ready, [[plain, "ready"], [pod.sandbox, "ready"]].sort());
  const left = agent.agent.sandboxes.unmatched.list().map((one) => one.pod.name);
  assertEquals(left, ["stranger"]);
});

Deno.test("a pod that comes second to an endpoint does not get it when the first one has it", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([{ Name: "n", Endpoints: [{ Container: "web" }] }]);
  await agent.agent.loops.reconcile.reconcileOnce();
  const first = startPod(agent.host, "web");
  await agent.setUp(first);
  const late = startPod(agent.host, "web");
  agent.agent.sandboxes.unmatched.add(late, "it came while the agent was away");
  const before = agent.state();
  assertEquals(await agent.agent.loops.reconcile.reconcileOnce(), 0);
  assertEquals(agent.state(), before);
  assert(agent.attachments().every(({ sandbox }) => sandbox === first.sandbox));
});
