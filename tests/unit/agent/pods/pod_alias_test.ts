import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { AliasesInFlight, chooseAlias } from "../../../../lib/agent/pods/pod_alias.ts";
import { type AttachmentRecord, keys, type NetworkRecord } from "../../../../lib/intent/records.ts";
import { addressToText, parseAddress } from "../../../../lib/ipam/subnets.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { attachmentOf } from "./dynamic_records.ts";

const NETWORK: NetworkRecord = {
  ...{ schema: 1, tenant: "t", name: "blue", encap: "vxlan", tag: 10, tagBy: "intent" },
  ...{ subnet: "10.9.0.0/24", subnetBy: "intent", aliasedBecause: "u/blue" },
};
const free = () => false;

/** Documents of attachments on host1 with these aliases. */
function documentsWith(aliases: readonly string[], hostRange = "100.64.0.0/14") {
  const all: Record<string, unknown> = { [keys.cluster]: { schema: 1, hostRange } };
  aliases.forEach((alias, at) => {
    const one = { ...attachmentOf(`p${at}`, `10.9.0.${at + 1}`), alias };
    all[`attachments/host1/${one.sandbox}/eth0`] = one;
  });
  return new Map(Object.entries(all).map(([key, value]) => [key, { value, revision: 1 }]));
}

const AT = { host: "host1", address: "10.9.0.77" };
const next = (alias: string, step = 1) => addressToText(parseAddress(alias) + step);

Deno.test("chooseAlias() returns what follows from the pod's address, or the next that no pod of the host has, nor is about to have", () => {
  const own = chooseAlias(documentsWith([]), AT, NETWORK, free) ?? "";
  assertEquals(chooseAlias(documentsWith(["100.64.0.1"]), AT, NETWORK, free), own);
  const some = documentsWith([own, next(own, 2)]);
  assertEquals(chooseAlias(some, AT, NETWORK, free), next(own));
  const isInFlight = (alias: string) => alias === next(own);
  assertEquals(chooseAlias(some, AT, NETWORK, isInFlight), next(own, 3));
});

Deno.test("chooseAlias() differs by address, and by network", () => {
  const own = chooseAlias(documentsWith([]), AT, NETWORK, free);
  const choose = (at: typeof AT, network: NetworkRecord) =>
    chooseAlias(documentsWith([]), at, network, free);
  assertNotEquals(choose({ ...AT, address: "10.9.0.78" }, NETWORK), own);
  assertNotEquals(choose(AT, { ...NETWORK, tenant: "other" }), own);
});

Deno.test("chooseAlias() leaves aliases of other hosts to them", () => {
  const own = chooseAlias(documentsWith([]), AT, NETWORK, free) ?? "";
  const there = { ...AT, host: "host2" };
  assertEquals(chooseAlias(documentsWith([own]), there, NETWORK, free), own);
});

Deno.test("chooseAlias() returns none for a network that owns its subnet", () => {
  const { aliasedBecause: _, ...owner } = NETWORK;
  assertEquals(chooseAlias(documentsWith([]), AT, owner, free), undefined);
});

Deno.test("chooseAlias() is exhausted when all of a small range are taken", () => {
  const all = Array.from({ length: 126 }, (_, n) => `10.200.0.${n + 1}`);
  const error = assertThrows(
    () => chooseAlias(documentsWith(all, "10.200.0.0/22"), AT, NETWORK, free),
    Fault,
  );
  assertEquals(error.code, "exhausted");
});

Deno.test("AliasesInFlight: what a plan has chosen is taken until its commit ends, by its last try only", async () => {
  const aliases = new AliasesInFlight();
  const documents = documentsWith([]);
  const plan = (alias: string) => () => ({
    attachments: [{ ...attachmentOf("a", "10.9.0.1"), alias } as AttachmentRecord],
  });
  let n = 0;
  const end = Promise.withResolvers<void>();
  const work = aliases.during(() => plan(`100.64.0.${++n}`)(), async (guarded) => {
    guarded(documents);
    guarded(documents);
    await end.promise;
  });
  assertEquals([aliases.has("100.64.0.1"), aliases.has("100.64.0.2")], [false, true]);
  end.resolve();
  await work;
  assertEquals(aliases.has("100.64.0.2"), false);
  await aliases.during(plan("100.64.0.9"), (guarded) => {
    guarded(documents);
    return Promise.reject(new Error("no"));
  }).catch(() => {});
  assertEquals(aliases.has("100.64.0.9"), false);
});
