// An agent that starts: it answers from the first moment, and says what it waits for.

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { RequestGate } from "../../../../lib/agent/server/request_gate.ts";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { callOf } from "../../cni/cni_cases.ts";
import { MemoryLog } from "../../../memory/memory_log.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";

const SOCKET = "/run/k8contivnet/agent.sock";
const POD = { namespace: "default", name: "web", sandbox: "0123456789ab" };

/** A store that lists its first page and then answers no more until it is released. */
class SlowStore extends MemoryStore {
  readonly listed = Promise.withResolvers<void>();
  readonly released = Promise.withResolvers<void>();

  override async list(...[prefix, onPage]: Parameters<MemoryStore["list"]>) {
    let pages = 0;
    const answer = await super.list(prefix, (page) => pages++ === 0 && onPage?.(page));
    this.listed.resolve();
    await this.released.promise;
    return answer;
  }
}

/** A gate, and a cache that reads a slow store of 150 documents behind it. */
async function startSlowly(progressMs?: number) {
  const store = new SlowStore();
  for (let n = 0; n < 150; n++) store.database.put({ [`hosts/h${n}`]: { name: `h${n}` } });
  const log = new MemoryLog();
  const gate = new RequestGate(SOCKET, log, progressMs === undefined ? {} : { progressMs });
  const reading = StoreCache.open(store, () => ({ documents: new Map() }), {
    onRead: (count) => gate.waitFor(`reading the store, ${count} documents so far`),
  });
  await store.listed.promise;
  return { gate, log, store, reading };
}

async function ask(gate: RequestGate, path: string, body?: unknown) {
  const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const response = await gate.request(new Request(`http://agent${path}`, init));
  return { status: response.status, body: await response.json() };
}

const STARTING = {
  code: "unavailable",
  what: "agent is starting",
  why: "reading the store, 100 documents so far",
  fix: "try again in a moment",
};

for (const path of ["/v1/setup", "/v1/teardown"]) {
  Deno.test(`an agent whose store answers slowly answers ${path} with "try again"`, async () => {
    const { gate, store, reading } = await startSlowly();
    using _ = gate;
    assertEquals(await ask(gate, path, POD), { status: 503, body: STARTING });
    store.released.resolve();
    await reading;
  });
}

Deno.test("an agent whose store answers slowly answers health and get with what it waits for", async () => {
  const { gate, store, reading } = await startSlowly();
  using _ = gate;
  for (const path of ["/v1/health", "/v1/endpoints"]) {
    assertEquals(await ask(gate, path), { status: 503, body: STARTING });
  }
  store.released.resolve();
  await reading;
});

Deno.test("an agent that starts knows no address: status answers nothing, to launchers and others", async () => {
  using gate = new RequestGate(SOCKET, new MemoryLog());
  assertEquals(await ask(gate, "/v1/status", POD), { status: 200, body: {} });
  assertEquals(await gate.verb("status", POD), {});
});

/** All calls of launchers, but those about a state. */
const callsOf = (gate: RequestGate) => [
  ...(["setup", "teardown"] as const).map((verb) => () => gate.verb(verb, POD)),
  ...["ADD", "DEL", "CHECK", "GC"].map((command) => () => gate.cni(callOf(command))),
];

const ANSWERS = {
  request: () => Promise.resolve(Response.json({ by: "the agent" })),
  verb: () => Promise.resolve({ ip: "10.0.0.1" }),
  cni: () => Promise.resolve({ exit: 0, output: "{}" } as const),
};

Deno.test("an agent whose start takes long answers launchers' calls with unavailable", async () => {
  using gate = new RequestGate(SOCKET, new MemoryLog(), { attachHoldMs: 2, holdMs: 1 });
  gate.waitFor("applying intent a.json");
  for (const call of callsOf(gate)) {
    const fault = await assertRejects(call, Fault);
    assertEquals(fault.code, "unavailable");
    assertStringIncludes(fault.message, "agent is starting: applying intent a.json");
  }
});

Deno.test("launchers' calls are held while the agent starts, and answered once it is ready", async () => {
  using gate = new RequestGate(SOCKET, new MemoryLog());
  let answered = 0;
  const calls = callsOf(gate).map((call) => call().finally(() => answered++));
  await new Promise((done) => setTimeout(done, 5));
  assertEquals(answered, 0);
  gate.open(ANSWERS);
  assertEquals(await Promise.all(calls), [
    ...Array(2).fill({ ip: "10.0.0.1" }),
    ...Array(4).fill({ exit: 0, output: "{}" }),
  ]);
});

Deno.test("an agent that stops before it was ready holds no call, and STATUS is held by none", async () => {
  const gate = new RequestGate(SOCKET, new MemoryLog());
  const fault = await assertRejects(() => gate.cni(callOf("STATUS")), Fault);
  assertEquals(fault.code, "unavailable");
  const calls = callsOf(gate).map((call) => assertRejects(call, Fault, "agent is starting"));
  gate[Symbol.dispose]();
  await Promise.all(calls);
});

Deno.test("a start that takes long is logged again and again, until the agent is ready", async () => {
  const { gate, log, store, reading } = await startSlowly(5);
  using _ = gate;
  while (log.lines.length < 2) await new Promise((done) => setTimeout(done, 5));
  assertStringIncludes(
    log.lines.at(-1) ?? "",
    "starting: reading the store, 100 documents so far",
  );
  store.released.resolve();
  await reading;
  gate.open(ANSWERS);
  const logged = log.lines.length;
  await new Promise((done) => setTimeout(done, 20));
  assertEquals(log.lines.length, logged);
  assertEquals(await ask(gate, "/v1/setup", POD), { status: 200, body: { by: "the agent" } });
  assertEquals(await gate.verb("status", POD), { ip: "10.0.0.1" });
  assertEquals(await gate.cni(callOf("ADD")), { exit: 0, output: "{}" });
});
