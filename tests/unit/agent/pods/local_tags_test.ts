import { assertEquals } from "@std/assert";
import { LocalTags } from "../../../../lib/agent/pods/local_tags.ts";
import type { Documents, NetworkRecord } from "../../../../lib/intent/records.ts";
import type { PortRow } from "../../../../lib/ovs/switch.ts";
import { network, vlanTenant } from "../../intent/files.ts";
import { IntentDatabase } from "../../intent/intent_database.ts";

/** Returns the documents of a tenant with VXLAN networks a and b, and VLAN network c. */
function documentsWith(vlans: string): Documents {
  const store = new IntentDatabase();
  const networks = [network("a"), network("b"), network("c", [], { PktTagType: "vlan" })];
  const file = vlanTenant(networks, {
    ...{ DefaultNetType: "vxlan", Vxlans: "10001-12000", Vlans: vlans },
  });
  store.applyFile("add", file);
  return store.documents as Documents;
}

function networkIn(documents: Documents, name: string): NetworkRecord {
  return documents.get(`networks/one/${name}`)!.value as unknown as NetworkRecord;
}

const pools: readonly { vlans: string; want: readonly number[] }[] = [
  { vlans: "1-10", want: [4094, 4093, 1] },
  { vlans: "100-400,500-900", want: [4094, 4093, 100] },
  { vlans: "4000-4094", want: [3999, 3998, 4000] },
];

for (const { vlans, want } of pools) {
  Deno.test(`local tags of VXLAN networks stay out of Vlans ${vlans}, and are never 0`, () => {
    const documents = documentsWith(vlans);
    const tags = new LocalTags();
    const given = ["a", "b", "c"].map((name) => tags.tagOf(documents, networkIn(documents, name)));
    assertEquals(given, [...want]);
  });
}

Deno.test("a local tag is kept until a claim takes its number, then it moves", () => {
  const documents = new Map(documentsWith("1-10"));
  const tags = new LocalTags();
  const a = networkIn(documents, "a");
  assertEquals([tags.tagOf(documents, a), tags.tagOf(documents, a)], [4094, 4094]);
  documents.set("claims/vlan/4094", documents.get("claims/vlan/1")!);
  assertEquals(tags.tagOf(documents, a), 4093);
});

Deno.test("a host without a free local tag returns none", () => {
  const documents = new Map(documentsWith("1-4093"));
  const tags = new LocalTags();
  assertEquals(tags.tagOf(documents, networkIn(documents, "a")), 4094);
  assertEquals(tags.tagOf(documents, networkIn(documents, "b")), undefined);
});

Deno.test("a network keeps its tag where no other is left, and loses it to the one that claims it", () => {
  const tags = new LocalTags();
  const narrow = documentsWith("1-4092");
  const [a, b] = [networkIn(narrow, "a"), networkIn(narrow, "b")];
  assertEquals([tags.tagOf(narrow, a), tags.tagOf(narrow, b)], [4094, 4093]);
  const wide = new Map(documentsWith("1-4093"));
  assertEquals([tags.tagOf(wide, a), tags.tagOf(wide, b)], [4094, 4093]);
  wide.set("claims/vlan/4093", wide.get("claims/vlan/1")!);
  assertEquals([tags.tagOf(wide, a), tags.tagOf(wide, b)], [4094, undefined]);
});

const portOf = (name: string, tag?: number): PortRow => ({
  ...{ name: `cv${name}`, ofport: 1, externalIds: { tenant: "one", network: name } },
  ...tag === undefined ? {} : { tag },
} as PortRow);

Deno.test("restore() takes over the tags of ports, as after a restart, and leaves out those that say none", () => {
  const documents = documentsWith("1-10");
  const tags = new LocalTags();
  tags.restore([portOf("a", 2000), portOf("b"), { ...portOf("b", 3000), externalIds: {} }]);
  const given = ["a", "b"].map((name) => tags.tagOf(documents, networkIn(documents, name)));
  assertEquals(given, [2000, 4094]);
});

Deno.test("restore() does not overwrite a tag that is in use", () => {
  const documents = documentsWith("1-10");
  const tags = new LocalTags();
  const a = networkIn(documents, "a");
  assertEquals(tags.tagOf(documents, a), 4094);
  tags.restore([portOf("a", 2000)]);
  assertEquals(tags.tagOf(documents, a), 4094);
});

Deno.test("prune() forgets the tag of a network that is gone, so another may have it", () => {
  const documents = new Map(documentsWith("1-10"));
  const tags = new LocalTags();
  const [a, b] = [networkIn(documents, "a"), networkIn(documents, "b")];
  assertEquals(tags.tagOf(documents, a), 4094);
  documents.delete("networks/one/a");
  tags.prune(documents);
  assertEquals(tags.tagOf(documents, b), 4094);
});
