import { assertEquals, assertRejects } from "@std/assert";
import { checkStatus, type CniStatusDeps } from "../../../../lib/agent/cni/cni_status.ts";
import { CniError } from "../../../../lib/cni/cni_types.ts";
import { parseCall } from "../../../../lib/cni/parse_call.ts";
import type { Documents } from "../../../../lib/intent/records.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { documentsOf, endpointOf } from "../pods/dynamic_records.ts";
import { callOf } from "../../cni/cni_cases.ts";

const { config } = parseCall(callOf("STATUS"));

function depsWith(documents: Documents, unreachable?: Fault, isKnown = true): CniStatusDeps {
  return {
    store: { documents, unreachable, knows: () => isKnown },
    switch: { state: () => ({ ovsdb: "up", openflow: "up" }) },
    fabric: { problem: undefined },
  };
}

const UNREACHABLE = new Fault("unavailable", "etcd at h1:2379 is unreachable");

Deno.test("STATUS is 50 while the store has never been read and nothing is known", async () => {
  const empty = depsWith(new Map(), UNREACHABLE);
  const error = await assertRejects(() => checkStatus(empty, config), CniError, "the store is");
  assertEquals([error.code, error.details], [50, UNREACHABLE.message]);
  await checkStatus(depsWith(new Map()), config);
});

Deno.test("STATUS is good while the store is unreachable and its records of before are known", async () => {
  const known = new Map([["hosts/host1", { value: {}, revision: 1 }]]);
  await checkStatus(depsWith(known, UNREACHABLE), config);
});

Deno.test("STATUS judges a full network only on hosts that follow it", async () => {
  const endpoints = [1, 2, 3, 4, 5].map((n) => endpointOf(`pod${n}`, `10.9.0.${n}`));
  const documents = documentsOf({ endpoints });
  await checkStatus(depsWith(documents, undefined, false), config);
  const full = () => checkStatus(depsWith(documents), config);
  await assertRejects(full, CniError, "no address is left in t/blue");
});
