import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { auditClaims } from "../../../../lib/intent/audit.ts";
import type { EndpointRecord } from "../../../../lib/intent/records.ts";
import {
  firstCommit,
  knownHosts,
  planHostRemoval,
} from "../../../../lib/agent/store/remove_host_plan.ts";
import { attachmentOf, documentsOf, endpointOf } from "../pods/dynamic_records.ts";
import { runs } from "../../cases.ts";

const KEY = "endpoints/t/blue/default~web";
const web = endpointOf("web", "10.9.0.1");
const webHere = attachmentOf("web", "10.9.0.1");
const named: EndpointRecord = {
  ...{ schema: 1, tenant: "t", network: "blue", container: "db", address: "10.9.0.2" },
  ...{ addressBy: "pool", bound: { host: "host1", generation: 3 } },
};
const dbHere = attachmentOf("db", "10.9.0.2", { endpoint: "db", generation: 3 });

type Parts = Parameters<typeof documentsOf>[0];
const planned = (parts: Parts, host = "host1") => planHostRemoval(documentsOf(parts), host, 1_000);
const summary = (parts: Parts, host?: string) =>
  planned(parts, host).flatMap(({ act }) => act ?? []).map((
    { act, endpoint, address, pod, pinned },
  ) => [act, endpoint, address, pod || "-", ...pinned ? ["pinned"] : []].join(" "));

const pinned: EndpointRecord = { ...named, host: "host1" };
const elsewhere: EndpointRecord = { ...web, bound: { host: "host2", generation: 2 } };
const held = endpointOf("web", "10.9.0.1", { heldSince: 500 });

const cases: readonly (readonly [string, Parts, readonly string[]])[] = [
  ["nothing for a host that has nothing", {}, []],
  [
    "an endpoint created by a set-up is released with its address",
    { endpoints: [web], attachments: [webHere] },
    ["release t/blue/default~web 10.9.0.1 default/web"],
  ],
  [
    "it is held if its network says so",
    { endpoints: [web], attachments: [webHere], holdAddress: 60 },
    ["hold t/blue/default~web 10.9.0.1 default/web"],
  ],
  ["an endpoint that is held already stays held", { endpoints: [held], holdAddress: 60 }, []],
  [
    "an endpoint created by a set-up is released also without an attachment",
    { endpoints: [web] },
    ["release t/blue/default~web 10.9.0.1 default/web"],
  ],
  [
    "an intent's endpoint is unbound",
    { endpoints: [named], attachments: [dbHere] },
    ["unbind t/blue/db 10.9.0.2 default/db"],
  ],
  [
    "an intent's endpoint is unbound also after its pod was torn down",
    { endpoints: [named] },
    ["unbind t/blue/db 10.9.0.2 -"],
  ],
  [
    "an endpoint that the intent pins to the host is reported as pinned",
    { endpoints: [pinned] },
    ["unbind t/blue/db 10.9.0.2 - pinned"],
  ],
  [
    "only the attachment is removed of an endpoint bound to another host",
    { endpoints: [elsewhere], attachments: [webHere] },
    ["forget t/blue/default~web 10.9.0.1 default/web"],
  ],
  [
    "only the attachment is removed if the endpoint does not exist",
    { attachments: [webHere] },
    ["forget t/blue/default~web 10.9.0.1 default/web"],
  ],
];

for (const [what, parts, want] of cases) {
  Deno.test(`planHostRemoval(): ${what}`, () => assertEquals(summary(parts), want));
}

Deno.test("planHostRemoval() does not touch other hosts", () => {
  assertEquals(summary({ endpoints: [web, named], attachments: [webHere, dbHere] }, "host2"), []);
});

Deno.test("planHostRemoval() checks and writes each record that it changes", () => {
  const [removal] = planned({ endpoints: [web], attachments: [webHere] });
  assertEquals(removal?.checks, [
    { key: "attachments/host1/5bweb/eth0", revision: 5 },
    { key: KEY, revision: 5 },
  ]);
  assertEquals(removal?.writes.map(({ key, value }) => [key, value]), [
    ["attachments/host1/5bweb/eth0", undefined],
    [KEY, undefined],
    ["claims/ip/t/blue/10.9.0.1", undefined],
  ]);
});

Deno.test("planHostRemoval() removes the host's name from held and intent's endpoints, and nothing else", () => {
  const endpoints = [web, { ...named, pin: { host: "host1" }, future: 7 } as EndpointRecord];
  const removals = planned({ endpoints, attachments: [webHere, dbHere], holdAddress: 60 });
  const values = removals.flatMap(({ writes }) => writes.map(({ value }) => value))
    .filter((value) => value !== undefined);
  const { bound: _web, ...webNow } = web;
  const { bound: _db, ...dbNow } = endpoints[1]!;
  const dynamic = { pod: "web", rule: "a rule", heldSince: 1_000 };
  assertEquals<unknown[]>(values, [dbNow, { ...webNow, dynamic }]);
});

/** Returns the documents after all removals, commit by commit. */
function applied(documents: ReturnType<typeof documentsOf>, host: string) {
  const now = new Map(documents);
  let commits = 0;
  for (;; commits++) {
    const removals = firstCommit(now, planHostRemoval(now, host, 1_000), 1);
    if (removals.length === 0) return { now, commits };
    const operations = removals.flatMap(({ checks, writes }) => [...checks, ...writes]).length;
    assert(operations < 100, `${operations} operations`);
    for (const { key, revision } of removals.flatMap(({ checks }) => checks)) {
      assertEquals(now.get(key)?.revision, revision);
    }
    for (const { key, value } of removals.flatMap(({ writes }) => writes)) {
      if (value === undefined) now.delete(key);
      else now.set(key, { value, revision: 6 } as never);
    }
  }
}

Deno.test("planHostRemoval(), committed in parts, leaves nothing of the host and records that agree with claims", () => {
  const pod = fc.record({
    host: fc.constantFrom("host1", "host2"),
    isNamed: fc.boolean(),
    isAttached: fc.boolean(),
    isElsewhere: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(pod, { maxLength: 120 }), fc.constantFrom(0, 60), (pods, hold) => {
      const places = pods.map(({ host, isNamed, isElsewhere }, n) => {
        const address = `10.9.${n >> 8}.${n & 255}`;
        const bound = { host: isElsewhere ? "host3" : host, generation: 1 };
        const made = { ...endpointOf(`p${n}`, address), bound };
        const { dynamic: _, ...written } = { ...made, container: `p${n}` };
        const endpoint: EndpointRecord = isNamed ? written : made;
        return { endpoint, address, host };
      });
      const attachments = places.flatMap(({ endpoint, address, host }, n) => {
        const { isAttached, isNamed, isElsewhere } = pods[n]!;
        // A moved endpoint is attached where it went; one created by a set-up is always attached.
        const hosts = [
          ...isAttached || (!isNamed && !isElsewhere) ? [host] : [],
          ...isElsewhere ? ["host3"] : [],
        ];
        return hosts.map((one) =>
          attachmentOf(`p${n}`, address, { host: one, endpoint: endpoint.container })
        );
      });
      const wide = { ...documentsOf().get("networks/t/blue")?.value as object };
      const documents = documentsOf({ endpoints: places.map(({ endpoint }) => endpoint) });
      documents.set("networks/t/blue", {
        value: { ...wide, subnet: "10.9.0.0/16", gateway: undefined, holdAddress: hold },
        revision: 5,
      });
      for (const one of attachments) {
        const key = `attachments/${one.host}/${one.sandbox}/eth0`;
        documents.set(key, { value: one, revision: 5 });
      }
      const differences = (all: typeof documents) =>
        auditClaims(all).filter(({ name }) =>
          name.startsWith("endpoints/") || name.includes("/ip/")
        )
          .map(({ name, why }) => `${name} ${why}`);
      const before = new Set(differences(documents));
      const { now } = applied(documents, "host1");
      assertEquals(planHostRemoval(now, "host1", 1_000), []);
      assertEquals([...now.keys()].filter((key) => key.startsWith("attachments/host1/")), []);
      assertEquals(differences(now).filter((one) => !before.has(one)), []);
      for (const { endpoint: { container, address, dynamic } } of places) {
        const key = `endpoints/t/blue/${container}`;
        const claim = now.get(`claims/ip/t/blue/${address}`)?.value as { owner: string };
        assertEquals(claim?.owner, now.has(key) ? key : undefined);
        if (!dynamic) assert(now.has(key), "an intent's endpoint is gone");
      }
    }),
    runs(60),
  );
});

Deno.test("knownHosts() returns every label that a record names", () => {
  const more = { "hosts/a": { name: "a" }, "agents/b": { host: "b" } };
  const endpoints = [{ ...named, host: "c", pin: { host: "d" } }];
  const attachments = [attachmentOf("x", "10.9.0.3", { host: "e" })];
  const known = knownHosts(documentsOf({ endpoints, attachments, more }));
  assertEquals([...known].sort(), ["a", "b", "c", "d", "e", "host1"]);
});
