// The indexes of a shared store: what a commit writes beside its records.

import { assertEquals } from "@std/assert";
import {
  appliesWrite,
  areIndexesComplete,
  attachmentOfMember,
  endpointOfName,
  indexDifferences,
  indexKeys,
  type IndexWrite,
  indexWrites,
  wordsIn,
} from "../../../lib/intent/store_index.ts";

const endpoint = (more: object = {}) => ({
  ...{ schema: 1, tenant: "t", network: "n", container: "web", address: "10.0.0.1" },
  ...more,
});
const attachment = (more: object = {}) => ({
  ...{ schema: 1, id: "1", host: "h1", tenant: "t", network: "n", endpoint: "web" },
  ...{ pod: { namespace: "default", name: "web" }, sandbox: "s1", addresses: ["10.0.0.1/24"] },
  ...more,
});
const ID = "0123456789abcdef";

const documentsOf = (values: Readonly<Record<string, unknown>>) =>
  new Map(Object.entries(values).map(([key, value]) => [key, { value, revision: 3 }]));

/** Returns the index writes as `+key` and `-key`, sorted. */
const marks = (writes: readonly IndexWrite[]) =>
  writes.map(({ key, value }) => `${value === undefined ? "-" : "+"}${key}`).sort();

const written = (
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
) =>
  marks(indexWrites(
    documentsOf(before),
    Object.entries(after).map(([key, value]) => ({ key, value: value as IndexWrite["value"] })),
  ));

Deno.test("an attachment has a copy in its network, which follows it and goes with it", () => {
  const key = "attachments/h1/s1/eth0";
  assertEquals(written({}, { [key]: attachment() }), ["+members/t/n/h1/s1/eth0"]);
  assertEquals(written({ [key]: attachment() }, { [key]: attachment({ state: "ready" }) }), [
    "+members/t/n/h1/s1/eth0",
  ]);
  assertEquals(written({ [key]: attachment() }, { [key]: attachment({ network: "m" }) }), [
    ...["+members/t/m/h1/s1/eth0", "-members/t/n/h1/s1/eth0"],
  ]);
  assertEquals(written({ [key]: attachment() }, { [key]: undefined }), ["-members/t/n/h1/s1/eth0"]);
  assertEquals(attachmentOfMember("members/t/n/h1/s1/eth0"), key);
});

Deno.test("an endpoint is found by its container and by AttachUUID, also by its first digits", () => {
  const key = "endpoints/t/n/web";
  const names = (...words: string[]) => words.map((word) => `+${indexKeys.named(word)}t/n/web`);
  assertEquals(written({}, { [key]: endpoint() }), names("web"));
  assertEquals(written({}, { [key]: endpoint({ attachUuid: ID }) }), [
    ...names(ID.slice(0, 12), ID, "web"),
  ]);
  // What it is bound to says nothing of its names.
  const bound = endpoint({ bound: { host: "h1", generation: 1 } });
  assertEquals(written({ [key]: endpoint() }, { [key]: bound }), []);
  assertEquals(written({ [key]: endpoint({ attachUuid: "db" }) }, { [key]: endpoint() }), [
    `-${indexKeys.named("db")}t/n/web`,
  ]);
  assertEquals(written({ [key]: endpoint() }, { [key]: undefined }), [
    `-${indexKeys.named("web")}t/n/web`,
  ]);
  // Deleted by a client that has not seen it.
  assertEquals(written({}, { [key]: undefined }), [`-${indexKeys.named("web")}t/n/web`]);
  assertEquals(endpointOfName(`${indexKeys.named("a/b c")}t/n/web`), key);
});

Deno.test("an endpoint that a set-up made has no name, and an unreadable record no index", () => {
  const dynamic = endpoint({ container: "default~web", dynamic: { pod: "web", rule: "" } });
  assertEquals(written({}, { "endpoints/t/n/default~web": dynamic }), []);
  assertEquals(written({}, { "endpoints/t/n/web": endpoint({ schema: 99 }) }), []);
  assertEquals(written({}, { "attachments/h1/s1/eth0": "nonsense" }), []);
});

Deno.test("an agent's presence is listed as it is but for its heartbeat", () => {
  const presence = (more: object) => ({
    ...{ schema: 1, host: "h1", instance: "i", version: "1", beat: 7, at: "now", mtu: 1_500 },
    ...more,
  });
  const key = "agents/h1";
  assertEquals(indexWrites(new Map(), [{ key, value: presence({}) }]), [{
    key: `${indexKeys.hosts}h1`,
    value: { schema: 1, host: "h1", instance: "i", version: "1", beat: 0, mtu: 1_500 },
  }]);
  assertEquals(written({ [key]: presence({}) }, { [key]: presence({ beat: 8, at: "then" }) }), []);
  assertEquals(written({ [key]: presence({}) }, { [key]: presence({ everyMs: 20_000 }) }), []);
  assertEquals(written({ [key]: presence({}) }, { [key]: presence({ mtu: 9_000 }) }), [
    `+${indexKeys.hosts}h1`,
  ]);
});

Deno.test("a revision is listed while it is applied; at its end that is said", () => {
  const key = "revisions/000000007";
  const open = { schema: 1, n: 7, state: "applying" };
  assertEquals(written({}, { [key]: open }), [`+${indexKeys.unfinished}000000007`]);
  assertEquals(written({ [key]: open }, { [key]: { ...open, state: "done" } }), [
    ...[`+${indexKeys.applies}`, `-${indexKeys.unfinished}000000007`],
  ]);
  assertEquals(written({}, { [`${key}/0`]: { schema: 1, n: 7, state: "", text: "" } }), []);
});

Deno.test("a change of tenants, networks and settings is said, one of hosts is not", () => {
  for (const key of ["tenants/t", "networks/t/n", "clusters/settings"]) {
    assertEquals(written({}, { [key]: undefined }), [`+${indexKeys.intent}`]);
  }
  assertEquals(written({}, { "hosts/h1": { schema: 1, name: "h1" } }), []);
});

Deno.test("what a commit writes itself is not written twice", () => {
  const key = "members/t/n/h1/s1/eth0";
  const writes = [
    { key: "attachments/h1/s1/eth0", value: attachment() },
    { key, value: attachment() },
  ];
  assertEquals(indexWrites(new Map(), writes), []);
});

Deno.test("the end of an apply has the words of its endpoints, unless they are many", () => {
  const named = (count: number) =>
    Array.from({ length: count }, (_, n) => ({
      key: `${indexKeys.named(`web ${n}`)}t/n/web`,
      value: { schema: 1 },
    }));
  const documents = documentsOf({ [indexKeys.applies]: { schema: 1 } });
  const applies = (count: number) => appliesWrite(documents, 7, wordsIn(named(count))).value;
  assertEquals(applies(2), { schema: 1, n: 7, after: 3, words: ["web 0", "web 1"] });
  assertEquals(applies(51), { schema: 1, n: 7, after: 3 });
});

Deno.test("the end of an apply has the highest number so far, in whatever order applies end", () => {
  const documents = documentsOf({ [indexKeys.applies]: { schema: 1, n: 8 } });
  assertEquals([7, 9].map((n) => appliesWrite(documents, n).value), [
    { schema: 1, n: 8 },
    { schema: 1, n: 9 },
  ]);
});

Deno.test("what is missing, different or left over in the indexes is found, with what it is derived from", () => {
  const documents = {
    "attachments/h1/s1/eth0": attachment(),
    "attachments/h2/s2/eth0": attachment({ host: "h2", sandbox: "s2", state: "ready" }),
    "members/t/n/h2/s2/eth0": attachment({ host: "h2", sandbox: "s2", state: "planned" }),
    "members/t/n/h3/s3/eth0": attachment({ host: "h3", sandbox: "s3" }),
    "endpoints/t/n/web": endpoint(),
    [`${indexKeys.named("db")}t/n/db`]: { schema: 1 },
    [`${indexKeys.unfinished}000000007`]: { schema: 1 },
    [indexKeys.complete]: { schema: 1, version: 1 },
    [indexKeys.applies]: { schema: 1 },
  };
  const found = indexDifferences(documentsOf(documents));
  assertEquals(found.map(({ key, value, source }) => [key, value !== undefined, source]), [
    ["members/t/n/h1/s1/eth0", true, "attachments/h1/s1/eth0"],
    ["members/t/n/h2/s2/eth0", true, "attachments/h2/s2/eth0"],
    [`${indexKeys.named("web")}t/n/web`, true, "endpoints/t/n/web"],
    ["members/t/n/h3/s3/eth0", false, "attachments/h3/s3/eth0"],
    [`${indexKeys.named("db")}t/n/db`, false, "endpoints/t/n/db"],
    [`${indexKeys.unfinished}000000007`, false, "revisions/000000007"],
  ]);
});

Deno.test("what is derived from a record of a newer version is left to that version", () => {
  const key = "endpoints/t/n/web";
  const name = `${indexKeys.named("web")}t/n/web`;
  const documents = documentsOf({ [key]: endpoint({ schema: 99 }), [name]: { schema: 99 } });
  assertEquals(indexDifferences(documents), []);
  documents.delete(key);
  assertEquals(indexDifferences(documents).map((one) => one.key), [name]);
});

Deno.test("indexes are complete if the store says so, in a version that is known", () => {
  const complete = (value: unknown) =>
    areIndexesComplete(documentsOf({ [indexKeys.complete]: value }));
  assertEquals(complete({ schema: 1, version: 1 }), true);
  assertEquals(complete({ schema: 1, version: 0 }), false);
  assertEquals(complete({ schema: 99, version: 1 }), false);
  assertEquals(areIndexesComplete(new Map()), false);
});
