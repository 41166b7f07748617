import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { planFabric } from "../../../lib/agent/fabric/plan_fabric.ts";
import { attachmentsIn, attachmentsOf, hostsOf } from "../../../lib/agent/store/documents.ts";
import { chooseEndpoints, matchesSwapped } from "../../../lib/intent/bind.ts";
import {
  documentsIn,
  groups,
  groupsOf,
  IndexedDocuments,
} from "../../../lib/intent/indexed_documents.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { cases, runs } from "../cases.ts";

// Few names, so that the same are written, changed and deleted again and again.
const name = fc.constantFrom("a", "b", "c");
const sandbox = fc.constantFrom(
  "0123456789ab",
  "0123456789abcdef",
  "0123456789abcd00",
  "fedcba987654",
);
const host = fc.constantFrom("h1", "h2");
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

const endpoint = fc.record({
  schema: fc.constantFrom(1, 1, 2, 3),
  tenant: fc.constantFrom("t", "u"),
  network: name,
  container: name,
  address: fc.constant("10.0.0.1"),
  host: maybe(host),
  attachUuid: maybe(fc.oneof(sandbox, name)),
  pin: maybe(fc.record({ host, attachUuid: maybe(sandbox) })),
  bound: maybe(fc.record({ host, generation: fc.nat(2) })),
});

const attachment = fc.record({
  schema: fc.constantFrom(1, 2, 3),
  host,
  tenant: fc.constantFrom("t", "u"),
  network: name,
  endpoint: name,
  sandbox,
  pod: fc.constant({ namespace: "default", name: "a" }),
  addresses: fc.integer({ min: 1, max: 9 }).map((n) => [`10.0.0.${n}/24`]),
  mac: fc.constant("02:02:0a:00:00:01"),
  generation: fc.nat(2),
});

const record = fc.oneof(
  endpoint.map((one) => [`endpoints/${one.tenant}/${one.network}/${one.container}`, one] as const),
  attachment.map((one) => [`attachments/${one.host}/${one.sandbox}/eth0`, one] as const),
  fc.tuple(fc.constantFrom("t", "u"), name, fc.constantFrom("vlan", "vxlan"), fc.nat(9)).map((
    [tenant, name, encap, tag],
  ) =>
    [`networks/${tenant}/${name}`, {
      schema: 1,
      tenant,
      name,
      encap,
      tag,
      subnet: "10.0.0.0/24",
    }] as const
  ),
  fc.tuple(host, maybe(fc.constant("192.0.2.1"))).map((
    [name, vtepIp],
  ) => [`hosts/${name}`, { schema: 1, name, vtepIp }] as const),
  fc.constantFrom(...["stranger", "endpoints/t/a/b", "hosts/h1"]).map((key) =>
    [key, "no record"] as const
  ),
);

const act = fc.tuple(record, fc.constantFrom("set", "set", "set", "delete", "clear"));

const outcome = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
};

const sorted = (list: readonly unknown[]) => list.map((one) => JSON.stringify(one)).sort();

Deno.test("IndexedDocuments finds what a walk finds, whatever was written and deleted", () => {
  let found = 0;
  fc.assert(
    fc.property(
      fc.array(act, { minLength: 20, maxLength: 60 }),
      host,
      name,
      sandbox,
      (acts, on, pod, id) => {
        const [indexed, plain] = [new IndexedDocuments(), new Map()];
        for (const [n, [[key, value], what]] of acts.entries()) {
          for (const documents of [indexed, plain]) {
            if (what === "set") documents.set(key, { value, revision: n });
            else if (what === "delete" || n % 7 > 0) documents.delete(key);
            else documents.clear();
          }
        }
        const names = new Set(acts.flatMap(([[key, value]]) => groupsOf(key, value)));
        for (const group of names) {
          assertEquals(
            sorted(documentsIn(indexed, group)),
            sorted(documentsIn(plain, group)),
            group,
          );
        }
        const placement = { host: on, namespace: "default", pod, sandbox: id };
        found += documentsIn(indexed, groups.podName(pod)).length;
        const looks = (documents: typeof plain) => [
          outcome(() => sorted(chooseEndpoints(documents, placement).map((one) => one.endpoint))),
          outcome(() => matchesSwapped(documents, placement)),
          outcome(() => planFabric(documents, { host: on, vtepIp: "192.0.2.9" }, ({ tag }) => tag)),
          sorted(attachmentsOf(documents, on)),
          sorted(attachmentsIn(documents, on, id)),
          sorted(hostsOf(documents)),
        ];
        assertEquals(looks(indexed), looks(plain));
      },
    ),
    runs(500),
  );
  assert(found > cases(200), `${found}`);
});

Deno.test("a network is in the group of distributed gateways while it has one", () => {
  const documents = new IndexedDocuments();
  const network = {
    ...{ schema: 1, tenant: "t", name: "n", encap: "vlan", tag: 1 },
    ...{ subnet: "10.0.0.0/24", tagBy: "intent", subnetBy: "intent" },
  };
  const found = () => documentsIn(documents, groups.distributedNetworks).map(([key]) => key);
  const put = (more: object) => {
    documents.set("networks/t/n", { value: { ...network, ...more }, revision: 1 });
    return found();
  };
  assertEquals(put({}), []);
  assertEquals(put({ owner: true }), ["networks/t/n"]);
  assertEquals(put({ aliasedBecause: "u/n" }), ["networks/t/n"]);
  assertEquals(put({ gatewayType: "external" }), []);
  put({ owner: true });
  documents.delete("networks/t/n");
  assertEquals(found(), []);
});
