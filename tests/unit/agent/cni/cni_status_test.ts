import { assertEquals, assertRejects } from "@std/assert";
import { checkStatus, type CniStatusDeps } from "../../../../lib/agent/cni/cni_status.ts";
import { CniError } from "../../../../lib/cni/cni_types.ts";
import { parseCall } from "../../../../lib/cni/parse_call.ts";
import type { Documents } from "../../../../lib/intent/records.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { callOf } from "../../cni/cni_cases.ts";

const { config } = parseCall(callOf("STATUS"));

function depsWith(documents: Documents, unreachable?: Fault): CniStatusDeps {
  return {
    store: {
      ...{ documents, unreachable },
      need: () => Promise.resolve({ fault: undefined, [Symbol.dispose]: () => {} }),
    },
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
