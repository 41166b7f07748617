// Records as `get` shows them, and the names by which people ask for them.

import { assertEquals } from "@std/assert";
import { named, namesOf } from "../../../../lib/agent/server/item_names.ts";
import { attachmentItem, endpointItem, unmatchedItem } from "../../../../lib/agent/server/items.ts";
import { attachmentOf, endpointOf, HOUR } from "../pods/dynamic_records.ts";

Deno.test("attachmentItem() shows an attachment with its tag here, without what only the agent needs", () => {
  const attachment = attachmentOf("web", "10.9.0.1", { reason: "not yet", state: "failed" });
  assertEquals<unknown>(attachmentItem(attachment, 100), {
    ...{ tenant: "t", network: "blue", endpoint: "default~web", host: "host1" },
    pod: { namespace: "default", name: "web" },
    ...{ sandbox: "5bweb", interface: "eth0", addresses: ["10.9.0.1/29"] },
    ...{ mac: "02:02:0a:09:00:01", vlan: 100, state: "failed", reason: "not yet" },
  });
  assertEquals(attachmentItem(attachmentOf("web", "10.9.0.1"), 0).reason, "");
});

Deno.test("unmatchedItem() shows a pod without a network in the same columns", () => {
  const pod = { namespace: "default", name: "web", sandbox: "5b" };
  const item = unmatchedItem("host1", pod, "nothing names it");
  assertEquals<unknown>(item, {
    ...{ tenant: "", network: "", endpoint: "", host: "host1", sandbox: "5b", interface: "" },
    pod: { namespace: "default", name: "web" },
    ...{ addresses: [], mac: "", vlan: 0, state: "unmatched", reason: "nothing names it" },
  });
  const columns = Object.keys(attachmentItem(attachmentOf("web", "10.9.0.1"), 0));
  assertEquals(Object.keys(item), columns);
});

Deno.test("endpointItem() shows where an endpoint is pinned, and where set-up last put it", () => {
  const endpoint = endpointOf("web", "10.9.0.1");
  assertEquals<unknown>(endpointItem(endpoint), {
    ...{ tenant: "t", network: "blue", endpoint: "default~web", namespace: "default" },
    ...{ address: "10.9.0.1", host: "", boundTo: "host1", generation: 1, rule: "a rule" },
    group: "",
  });
  const { dynamic: _, bound: __, namespace: ___, ...bare } = endpoint;
  const { namespace, host, boundTo, generation, rule } = endpointItem(bare);
  assertEquals([namespace, host, boundTo, generation, rule], ["", "", "", 0, ""]);
  assertEquals(endpointItem({ ...bare, host: "host2" }).host, "host2");
  assertEquals(endpointItem({ ...bare, group: "web" }).group, "web");
  assertEquals(endpointItem({ ...bare, host: "host2", pin: { host: "host3" } }).host, "host3");
  assertEquals(endpointItem(endpointOf("web", "10.9.0.1", { heldSince: HOUR })).rule, "a rule");
});

const NAMED: readonly [object, readonly string[]][] = [
  [{ name: "t" }, ["t", "t"]],
  [{ name: "n", tenant: "t" }, ["n", "t/n"]],
  [{ endpoint: "web", tenant: "t", network: "n" }, ["web", "t/n/web"]],
  [
    {
      ...{ endpoint: "web", tenant: "t", network: "n" },
      pod: { namespace: "prod", name: "web-1" },
    },
    ["web", "t/n/web", "web-1", "prod/web-1"],
  ],
  [
    { endpoint: "", tenant: "", network: "", pod: { namespace: "prod", name: "web" } },
    ["web", "prod/web"],
  ],
  [{}, []],
];

for (const [item, names] of NAMED) {
  Deno.test(`${JSON.stringify(item)} has the names ${names.join(", ") || "of nothing"}`, () => {
    assertEquals(namesOf(item as Parameters<typeof namesOf>[0]), names);
  });
}

Deno.test("named() returns what has the name, in order; all without a name; nothing for part of one", () => {
  const items = [
    { name: "n", tenant: "t" },
    { name: "n", tenant: "u" },
    { name: "net", tenant: "t" },
  ];
  assertEquals(named(items, undefined), items);
  assertEquals(named(items, "n"), items.slice(0, 2));
  assertEquals(named(items, "u/n"), [items[1]!]);
  for (const name of ["ne", "t", "/n", ""]) assertEquals(named(items, name), []);
});
