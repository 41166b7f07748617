import { assert, assertEquals, assertRejects } from "@std/assert";
import type { IntentRequest } from "../../../../lib/agent/api/intent_requests.ts";
import { IntentStore, planRequest } from "../../../../lib/agent/store/apply.ts";
import { Intents } from "../../../../lib/agent/store/intents.ts";
import { historyItems } from "../../../../lib/agent/store/revision_history.ts";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { MemoryDatabase } from "../../../memory/memory_database.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";

const AT = "2026-11-26T00:00:00.000Z";
const origin = { by: "ada", host: "desk", source: "shop.json" };

const textOf = (networks: Readonly<Record<string, readonly string[]>>, more: object = {}): string =>
  JSON.stringify({
    Tenants: [{
      ...{ Name: "t", DefaultNetType: "vlan", SubnetPool: "10.0.0.0/8", AllocSubnetLen: 20 },
      ...{ Vlans: "100-200", ...more },
      Networks: Object.entries(networks).map(([Name, pods]) => ({
        Name,
        Endpoints: pods.map((Container) => ({ Container })),
      })),
    }],
  });

async function open(store: MemoryStore) {
  const cache = await StoreCache.load(store);
  const intents = new IntentStore(cache, () => AT);
  const apply = (text: string, mode: IntentRequest["mode"] = "replace") =>
    intents.apply({ mode, text, origin, force: true });
  const rollback = (to: number, force = false) =>
    intents.apply({ mode: "rollback", text: "", to, force, origin });
  return { cache, intents, apply, rollback };
}

const objects = ({ database }: MemoryStore, folders = "hosts|tenants|networks|endpoints") =>
  database.keysBelow("").filter((key) => new RegExp(`^(${folders})/`).test(key))
    .map((key) => [key, database.get(key)]);

Deno.test("history has who changed what, when, from which file, newest first", async () => {
  const store = new MemoryStore();
  const { cache, apply } = await open(store);
  await apply(textOf({ a: ["web"] }));
  await apply(textOf({ a: ["web"] }, { Vlans: "100-300" }));
  await apply(textOf({ a: [] }, { Vlans: "100-300" }));
  const items = historyItems(cache.documents);
  assertEquals(items.map(({ revision }) => revision), [3, 2, 1]);
  const [last, second, first] = items;
  assertEquals(
    [last?.at, last?.by, last?.host, last?.source, last?.state],
    [AT, "ada", "desk", "shop.json", "done"],
  );
  const brief = (item: typeof first) =>
    item?.changes.map(({ op, kind, key }) => `${op} ${kind} ${key}`);
  assertEquals(brief(first), ["create tenant t", "create network t/a", "create endpoint t/a/web"]);
  assertEquals(brief(second), ["update tenant t"]);
  assertEquals(second?.changes[0]?.before?.vlans, "100-200");
  assertEquals(second?.changes[0]?.after?.vlans, "100-300");
  assertEquals(brief(last), ["delete endpoint t/a/web"]);
  assertEquals([last?.changes[0]?.before?.address, last?.changes[0]?.after], [
    "10.0.0.1",
    undefined,
  ]);
  assertEquals(historyItems(cache.documents, "2"), [second]);
});

const LARGE = { a: Array.from({ length: 400 }, (_, n) => `pod${n}`) };

for (const [what, pods] of [["small", { a: ["web"] }], ["large", LARGE]] as const) {
  Deno.test(`a ${what} apply that was killed and finished is undone as if it were one`, async () => {
    const counting = new MemoryStore();
    let commits = 0;
    counting.beforeCommit = () => void commits++;
    await (await open(counting)).apply(textOf(pods), "add");
    for (let cut = 0; cut <= commits; cut++) {
      const store = new MemoryStore();
      await (await open(store)).apply(textOf({ b: ["first"] }));
      const before = objects(store);
      let left = cut;
      store.beforeCommit = () => {
        if (left-- <= 0) throw new Fault("unavailable", "killed");
      };
      await (await open(store)).apply(textOf(pods), "add").catch(() => {});
      store.beforeCommit = () => {};
      const next = await open(store);
      await next.intents.finishInterrupted();
      await next.rollback(1);
      assertEquals(objects(store), before, `cut after ${cut} of ${commits} commits`);
    }
  });
}

Deno.test("what two clients applied at the same time is undone as a whole", async () => {
  for (let round = 0; round < 20; round++) {
    const store = new MemoryStore();
    const [one, two] = [await open(store), await open(store.another())];
    await one.apply(textOf({ a: ["start"] }), "add");
    const before = objects(store);
    await Promise.all([
      one.apply(textOf(LARGE, { Vlans: "100-300" }), "add"),
      two.apply(textOf({ a: LARGE.a.slice(0, round * 20), b: ["x"] }, { Vlans: "100-400" }), "add"),
    ]);
    const last = await open(store);
    await last.rollback(1);
    assertEquals(objects(store), before, `round ${round}`);
  }
});

const attachment = (endpoint: string) => ({
  [`attachments/h1/0123456789ab/eth0`]: {
    ...{ schema: 1, id: "0123456789a", host: "h1", tenant: "t", network: "a", endpoint },
    ...{ pod: { namespace: "default", name: endpoint }, sandbox: "0123456789ab" },
    ...{ netns: "/run/netns/0123456789ab", netnsInode: 1, interface: "eth0", mtu: 1500 },
    ...{ addresses: ["10.0.0.1/20"], mac: "02:02:0a:00:00:01", generation: 1, state: "ready" },
  },
});

Deno.test("rollback refuses to detach a running pod, unless it is forced", async () => {
  const store = new MemoryStore();
  const { apply } = await open(store);
  await apply(textOf({ a: [] }));
  await apply(textOf({ a: ["web"] }));
  store.database.put(attachment("web"));
  const { cache, rollback } = await open(store);
  const fault = await assertRejects(() => rollback(1), Fault);
  assertEquals(
    [fault.code, fault.message],
    [
      "conflict",
      "endpoint t/a/web is not deleted: going back would detach default/web on h1; " +
      "delete these pods first, or add --force",
    ],
  );
  assertEquals(historyItems(cache.documents).length, 2);
  const { answer } = planRequest(cache.documents, {
    ...{ mode: "rollback", text: "", to: 1, force: true },
  });
  assertEquals(answer.operations.map(({ verb, name, lines }) => [verb, name, lines]), [
    ["delete", "t/a/web", ["detaches default/web on h1"]],
  ]);
  assertEquals((await rollback(1, true)).revision, 3);
  assertEquals(store.database.get("endpoints/t/a/web"), undefined);
});

Deno.test("rollback leaves endpoints where their pods are, and those that set-ups made", async () => {
  const store = new MemoryStore();
  const { apply } = await open(store);
  await apply(textOf({ a: ["web"] }));
  await apply(textOf({ a: ["web", "db"] }, { Vlans: "100-300" }));
  const bound = { host: "h1", generation: 2 };
  store.database.put({
    "endpoints/t/a/web": { ...store.database.get("endpoints/t/a/web"), bound },
    "endpoints/t/a/made": {
      ...{ schema: 1, tenant: "t", network: "a", container: "made", address: "10.0.0.9" },
      ...{ addressBy: "pool", dynamic: { pod: "made", rule: "default network" } },
    },
    "claims/ip/t/a/10.0.0.9": { schema: 1, owner: "endpoints/t/a/made" },
  });
  const { rollback } = await open(store);
  await rollback(1);
  assertEquals(store.database.get("endpoints/t/a/web")?.bound, bound);
  assertEquals(store.database.get("endpoints/t/a/made")?.address, "10.0.0.9");
  assertEquals(store.database.get("endpoints/t/a/db"), undefined);
  assertEquals(store.database.get("tenants/t")?.vlans, "100-200");
});

Deno.test("rollback takes another address if a set-up has taken the earlier one", async () => {
  const store = new MemoryStore();
  const { apply } = await open(store);
  await apply(textOf({ a: ["web"] }));
  await apply(textOf({ a: [] }));
  store.database.put({
    "endpoints/t/a/made": {
      ...{ schema: 1, tenant: "t", network: "a", container: "made", address: "10.0.0.1" },
      ...{ addressBy: "pool", dynamic: { pod: "made", rule: "default network" } },
    },
    "claims/ip/t/a/10.0.0.1": { schema: 1, owner: "endpoints/t/a/made" },
  });
  const { rollback } = await open(store);
  await rollback(1);
  assertEquals(store.database.get("endpoints/t/a/web")?.address, "10.0.0.2");
  assertEquals(store.database.get("claims/ip/t/a/10.0.0.1")?.owner, "endpoints/t/a/made");
});

Deno.test("rollback leaves an endpoint its address if a set-up has taken the earlier one", async () => {
  const store = new MemoryStore();
  const { apply } = await open(store);
  await apply(textOf({ a: ["web"] }));
  await apply(textOf({ a: [] }));
  await apply(textOf({ a: ["other", "web"] }));
  await apply(textOf({ a: ["web"] }));
  store.database.put({
    "endpoints/t/a/made": {
      ...{ schema: 1, tenant: "t", network: "a", container: "made", address: "10.0.0.1" },
      ...{ addressBy: "pool", dynamic: { pod: "made", rule: "default network" } },
    },
    "claims/ip/t/a/10.0.0.1": { schema: 1, owner: "endpoints/t/a/made" },
  });
  const before = store.database.get("endpoints/t/a/web");
  assertEquals(before?.address, "10.0.0.2");
  store.database.put(attachment("web"));
  const { rollback } = await open(store);
  assertEquals((await rollback(1)).operations, []);
  assertEquals(store.database.get("endpoints/t/a/web"), before);
});

Deno.test("rollback refuses a revision that is unknown, incomplete, or before one that is not recorded", async () => {
  const store = new MemoryStore();
  const { apply } = await open(store);
  await apply(textOf({ a: ["web"] }));
  await apply(textOf({ a: [] }));
  store.database.put({
    "revisions/000000003": { schema: 1, n: 3, at: AT, mode: "add", changes: 4, state: "done" },
  });
  const { rollback, cache } = await open(store);
  const refusals: [number, string, string][] = [
    [9, "not_found", "revision 9 not found: revisions 1 to 3 are kept; see k8contivnet history"],
    [
      2,
      "conflict",
      "going back to revision 2 is not possible: what revision 3 changed is not recorded; apply the intent of that time",
    ],
  ];
  for (const [to, code, message] of refusals) {
    const fault = await assertRejects(() => rollback(to), Fault);
    assertEquals([fault.code, fault.message], [code, message]);
  }
  assertEquals(historyItems(cache.documents)[0]?.isUnknown, true);
  store.database.put({
    "revisions/000000002": { ...store.database.get("revisions/000000002"), state: "interrupted" },
  });
  const fault = await assertRejects(() => open(store).then((one) => one.rollback(2)), Fault);
  assertEquals(fault.message.includes("was not completed"), true);
  const empty = await assertRejects(
    () => open(new MemoryStore()).then((one) => one.rollback(0)),
    Fault,
  );
  assertEquals(
    empty.message,
    "revision 0 not found: nothing was applied yet; see k8contivnet history",
  );
});

Deno.test("history keeps the newest revisions, and of these those that are not too old", async () => {
  const store = new MemoryStore();
  const { cache, apply } = await open(store);
  const intents = new Intents(cache, () => AT);
  for (let n = 0; n < 6; n++) await apply(textOf({ [`n${n}`]: [] }));
  const kept = () => historyItems(cache.documents).map(({ revision }) => revision);
  const now = Date.parse(AT);
  await intents.expire({ count: 4, ageMs: Infinity }, now);
  assertEquals(kept(), [6, 5, 4, 3]);
  assert(store.database.keysBelow("revisions/000000003/").length > 0);
  assertEquals(store.database.keysBelow("revisions/000000002"), []);
  await intents.expire({ count: 1_000, ageMs: 86_400_000 }, now + 86_400_001);
  assertEquals(kept(), [6]);
  assertEquals((await apply(textOf({ z: [] }))).revision, 7);
});

Deno.test("history of a store with 1,000 revisions of a newer or older version is still listed", () => {
  const database = new MemoryDatabase();
  for (let n = 1; n <= 1_000; n++) {
    database.put({
      [`revisions/${String(n).padStart(9, "0")}`]: { schema: 1, n, at: AT, state: "done" },
    });
  }
  assertEquals(historyItems(database.documents).length, 1_000);
});
