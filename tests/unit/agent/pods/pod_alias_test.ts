import { assertEquals, assertThrows } from "@std/assert";
import { AliasesInFlight, chooseAlias } from "../../../../lib/agent/pods/pod_alias.ts";
import { type AttachmentRecord, keys, type NetworkRecord } from "../../../../lib/intent/records.ts";
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

Deno.test("chooseAlias() returns the lowest address that no pod of the host has, nor is about to have", () => {
  assertEquals(chooseAlias(documentsWith([]), "host1", NETWORK, free), "100.64.0.1");
  const some = documentsWith(["100.64.0.1", "100.64.0.3"]);
  assertEquals(chooseAlias(some, "host1", NETWORK, free), "100.64.0.2");
  const isInFlight = (alias: string) => alias === "100.64.0.2";
  assertEquals(chooseAlias(some, "host1", NETWORK, isInFlight), "100.64.0.4");
});

Deno.test("chooseAlias() leaves aliases of other hosts to them", () => {
  assertEquals(chooseAlias(documentsWith(["100.64.0.1"]), "host2", NETWORK, free), "100.64.0.1");
});

Deno.test("chooseAlias() returns none for a network that owns its subnet", () => {
  const { aliasedBecause: _, ...owner } = NETWORK;
  assertEquals(chooseAlias(documentsWith([]), "host1", owner, free), undefined);
});

Deno.test("chooseAlias() is exhausted when all of a small range are taken", () => {
  const all = Array.from({ length: 126 }, (_, n) => `10.200.0.${n + 1}`);
  const error = assertThrows(
    () => chooseAlias(documentsWith(all, "10.200.0.0/22"), "host1", NETWORK, free),
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
