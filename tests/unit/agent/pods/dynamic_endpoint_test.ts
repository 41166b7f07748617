import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  currentChoices,
  FoundAddressesTaken,
  networkFor,
  type NewPod,
  planDynamicEndpoint,
} from "../../../../lib/agent/pods/dynamic_endpoint.ts";
import { skipOf } from "../../../../lib/agent/store/spread_hosts.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { attachmentOf, documentsOf, endpointOf, HOUR, unknown } from "./dynamic_records.ts";

function arrive(documents: ReturnType<typeof documentsOf>, more: Partial<NewPod> = {}) {
  const arriving = {
    ...{ pod: unknown("web"), interface: "eth0", isTaking: () => false, skip: 0 },
    ...more,
  };
  const choice = networkFor(documents, arriving.pod);
  if (!choice.network) throw new Error(choice.why);
  return planDynamicEndpoint(documents, choice, arriving);
}

const LAST = "10.9.0.5"; // .6 is the gateway

Deno.test("planDynamicEndpoint() takes the lowest free address, with its claim, and marks the network as in use", () => {
  const { choice, checks, writes } = arrive(
    documentsOf({ endpoints: [endpointOf("a", "10.9.0.1")] }),
  );
  assertEquals(choice.endpoint, {
    ...{ schema: 1, tenant: "t", network: "blue", container: "default~web", namespace: "default" },
    ...{ address: "10.9.0.2", addressBy: "pool" },
    dynamic: { pod: "web", rule: "default network of tenant t for namespace default" },
  });
  assertEquals(checks, [
    { key: "tenants/t", revision: 5 },
    { key: "claims/ip/t/blue/10.9.0.2", revision: 0 },
  ]);
  assertEquals(writes.map(({ key }) => key), ["claims/ip/t/blue/10.9.0.2", "arrivals/t/blue"]);
});

Deno.test("planDynamicEndpoint() skips what another set-up of this host is taking", () => {
  const isTaking = (claim: string) => claim.endsWith("/10.9.0.1") || claim.endsWith("/10.9.0.2");
  assertEquals(arrive(documentsOf(), { isTaking }).choice.endpoint.address, "10.9.0.3");
});

Deno.test("planDynamicEndpoint() chooses the address that is held for the pod, and ends the hold", () => {
  const endpoints = [endpointOf("web", "10.9.0.4", { heldSince: 1 })];
  const { choice, claim, writes } = arrive(documentsOf({ endpoints, holdAddress: 60 }));
  assertEquals(choice.endpoint.address, "10.9.0.4");
  assertEquals(choice.endpoint.dynamic?.heldSince, undefined);
  assertEquals(choice.endpoint.bound, { host: "host1", generation: 1 });
  assertEquals([claim, writes], [undefined, []]);
});

const FULL = ["1", "2", "3", "4"].map((last) => endpointOf(`p${last}`, `10.9.0.${last}`));

Deno.test("planDynamicEndpoint() takes the address that was held longest where the pool is full", () => {
  const documents = documentsOf({
    endpoints: [
      ...FULL.slice(0, 2),
      endpointOf("late", "10.9.0.3", { heldSince: 2 * HOUR }),
      endpointOf("early", "10.9.0.4", { heldSince: HOUR }),
      endpointOf("p5", LAST),
    ],
  });
  const { choice, displaced, checks, writes } = arrive(documents);
  assertEquals([choice.endpoint.address, displaced?.container], ["10.9.0.4", "default~early"]);
  assertEquals(checks.map(({ key, revision }) => `${key} ${revision}`), [
    "tenants/t 5",
    "claims/ip/t/blue/10.9.0.4 5",
    "endpoints/t/blue/default~early 5",
  ]);
  const write = writes.find(({ key }) => key === "claims/ip/t/blue/10.9.0.4");
  assertEquals(write?.value, { schema: 1, owner: "endpoints/t/blue/default~web" });
  assertEquals(writes.at(-1), { key: "endpoints/t/blue/default~early", value: undefined });
});

Deno.test("planDynamicEndpoint() faults where living pods have all of a pool", () => {
  const documents = documentsOf({ endpoints: [...FULL, endpointOf("p5", LAST)] });
  const fault = assertThrows(() => arrive(documents), Fault);
  assertEquals(fault.code, "exhausted");
  assert(fault.message.startsWith("pool 10.9.0.0/29 of t/blue is full: 5 of 5"), fault.message);
});

Deno.test("planDynamicEndpoint() tries further on after a conflict, each host elsewhere, and never past the pool", () => {
  for (let tries = 0; tries < 40; tries++) {
    const { choice } = arrive(documentsOf({ endpoints: FULL }), {
      skip: skipOf("host1", tries, 1),
    });
    assertEquals(choice.endpoint.address, LAST);
  }
});

Deno.test("planDynamicEndpoint() spreads over all that is free where that is less than it would skip", () => {
  const given = Array.from(
    { length: 40 },
    (_, tries) =>
      arrive(documentsOf({ endpoints: FULL.slice(0, 2) }), { skip: skipOf("host1", tries, 1) })
        .choice.endpoint.address,
  );
  assertEquals([...new Set(given)].sort(), ["10.9.0.3", "10.9.0.4", LAST]);
});

Deno.test("planDynamicEndpoint() takes the first of the addresses that the store found which nobody has taken since", () => {
  const free = ["10.9.0.3", "10.9.0.4", "10.9.0.2"];
  const documents = documentsOf({ endpoints: [endpointOf("a", "10.9.0.3")] });
  const of = (more: Partial<NewPod>) =>
    arrive(documents, { free, ...more }).choice.endpoint.address;
  assertEquals(of({}), "10.9.0.4");
  assertEquals(of({ skip: 1 }), "10.9.0.2");
  const isTaking = (claim: string) => !claim.endsWith("/10.9.0.2");
  assertEquals(of({ isTaking }), "10.9.0.2");
  assertThrows(() => of({ isTaking: () => true }), FoundAddressesTaken, "all 3");
});

Deno.test("planDynamicEndpoint() reuses a held address where the store found none", () => {
  const endpoints = [...FULL.slice(1), endpointOf("early", "10.9.0.1", { heldSince: HOUR })];
  const { displaced } = arrive(documentsOf({ endpoints }), { free: [] });
  assertEquals(displaced?.container, "default~early");
});

Deno.test("currentChoices() returns a sandbox's dynamic endpoint while it is bound to this host", () => {
  const has = (endpoint: ReturnType<typeof endpointOf>) =>
    currentChoices(
      documentsOf({ endpoints: [endpoint], attachments: [attachmentOf("web", "10.9.0.1")] }),
      "host1",
      "5bweb",
    ).map((choice) => `${choice.endpoint.container} ${choice.interface}`);
  const mine = endpointOf("web", "10.9.0.1");
  assertEquals(has(mine), ["default~web eth0"]);
  assertEquals(has({ ...mine, bound: { host: "host2", generation: 2 } }), []);
  const { dynamic: _, ...written } = mine;
  assertEquals(has(written), []);
});
