import { assertEquals, assertRejects } from "@std/assert";
import { IntentStore } from "../../../../lib/agent/store/apply.ts";
import { join } from "../../../../lib/agent/store/join.ts";
import { Presence } from "../../../../lib/agent/store/presence.ts";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import { keys } from "../../../../lib/intent/records.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { tenantWith } from "../../../fixtures/tenant.ts";
import { MemoryLog } from "../../../memory/memory_log.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";

const AT = "2026-11-26T14:00:00.000Z";

const fileOf = (name: string, networks: readonly object[]) => ({
  name,
  text: JSON.stringify({ Tenants: [tenantWith({ Networks: networks })] }),
});
const BLUE = fileOf("blue.json", [{ Name: "blue" }]);

/** Joins `store` as an agent of host h1 with that state folder. */
async function joinAs(
  store: MemoryStore,
  { instance = "a", isShared = true, files = [BLUE] }: {
    readonly instance?: string;
    readonly isShared?: boolean;
    readonly files?: readonly { readonly name: string; readonly text: string }[];
  } = {},
): Promise<MemoryLog> {
  const cache = await StoreCache.load(store);
  const log = new MemoryLog();
  const presence = new Presence(cache, {
    self: { host: "h1", instance, version: "1" },
    ...{ beatMs: 10_000, takeOver: false, pause: () => Promise.resolve() },
    ...{ mtu: () => undefined, clock: () => AT },
  });
  const intents = new IntentStore(cache, () => AT);
  await join({
    ...{ presence: isShared ? presence : undefined, intents, files, log, host: "h1" },
    recordHostRange: () => Promise.resolve(),
  });
  return log;
}

Deno.test("join() takes the label and applies the intents in order", async () => {
  const store = new MemoryStore();
  const log = await joinAs(store, { files: [BLUE, fileOf("red.json", [{ Name: "red" }])] });
  assertEquals(store.database.get("agents/h1")?.instance, "a");
  assertEquals(store.database.keysBelow("networks/"), ["networks/t/blue", "networks/t/red"]);
  assertEquals(log.lines, [
    "info applying intent intent=blue.json",
    "info intent applied intent=blue.json changes=2",
    "info applying intent intent=red.json",
    "info intent applied intent=red.json changes=1",
  ]);
});

Deno.test("join() takes no label in a store that is not shared", async () => {
  const store = new MemoryStore();
  await joinAs(store, { isShared: false });
  assertEquals(store.database.keysBelow("agents/"), []);
});

Deno.test("join() changes nothing if another agent has the label", async () => {
  const store = new MemoryStore();
  await joinAs(store, { files: [] });
  const revision = store.database.revision;
  await assertRejects(() => joinAs(store, { instance: "b" }), Fault, "another state folder");
  assertEquals(store.database.revision, revision);
});

Deno.test("join() finishes an apply that was interrupted before it applies its own intents", async () => {
  const store = new MemoryStore();
  const endpoints = Array.from({ length: 200 }, (_, n) => ({ Container: `c${n}` }));
  const large = fileOf("large.json", [{ Name: "large", Endpoints: endpoints }]);
  let commits = 0;
  store.beforeCommit = () => {
    if (++commits > 3) throw new Fault("unavailable", "killed");
  };
  await joinAs(store, { files: [large] }).catch(() => {});
  store.beforeCommit = () => {};
  const log = await joinAs(store);
  assertEquals(log.lines.map((line) => line.replace(/changes=.*/, "")), [
    "info finished an interrupted apply revision=1",
    "info applying intent intent=blue.json",
    "info intent applied intent=blue.json ",
  ]);
  assertEquals(store.database.keysBelow("endpoints/t/large/").length, 200);
});

Deno.test("join() warns of an interrupted apply whose request is not recorded", async () => {
  const store = new MemoryStore();
  const left = { schema: 1, n: 1, at: AT, mode: "add", changes: 9, state: "applying", parts: 2 };
  store.database.put({ [keys.revision(1)]: left });
  const log = await joinAs(store, { files: [] });
  assertEquals(log.lines, [
    "warn an apply was interrupted and its intent is not recorded; apply it again revision=1",
  ]);
  assertEquals(store.database.get(keys.revision(1))?.state, "interrupted");
});

Deno.test("join() names the intent that is refused, and keeps the way out", async () => {
  const file = fileOf("bad.json", [{ Name: "red", PktTag: 5_000 }]);
  const fault = await assertRejects(
    () => joinAs(new MemoryStore(), { files: [BLUE, file] }),
    Fault,
    "intent bad.json: ",
  );
  assertEquals(fault.code, "usage");
});
