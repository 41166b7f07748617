import { assertEquals } from "@std/assert";
import {
  isExpired,
  nextExpiryMs,
  orphanedEndpoints,
} from "../../../../lib/agent/pods/held_addresses.ts";
import { attachmentOf, documentsOf, endpointOf, HOUR } from "./dynamic_records.ts";

const alive = endpointOf("web", "10.9.0.1");
const held = endpointOf("gone", "10.9.0.2", { heldSince: HOUR });
const documents = documentsOf({ holdAddress: 60, endpoints: [alive, held] });

Deno.test("isExpired() counts from when the address was held, by what HoldAddress says now", () => {
  assertEquals(isExpired(documents, held, HOUR + 59_999), false);
  assertEquals(isExpired(documents, held, HOUR + 60_000), true);
  assertEquals(isExpired(documentsOf({ holdAddress: 0, endpoints: [held] }), held, HOUR), true);
  assertEquals(isExpired(documentsOf({ endpoints: [held] }), held, HOUR), true);
  const orphan = new Map([...documents].filter(([key]) => !key.startsWith("networks/")));
  assertEquals(isExpired(orphan, held, HOUR), true);
});

Deno.test("isExpired() never ends a living pod's address, however far a clock jumps", () => {
  for (const nowMs of [-HOUR, 0, Date.now(), Number.MAX_SAFE_INTEGER, Infinity]) {
    assertEquals(isExpired(documents, alive, nowMs), false);
  }
  assertEquals(isExpired(documents, held, -HOUR), false);
});

Deno.test("nextExpiryMs() returns how long the next held address has left", () => {
  assertEquals(nextExpiryMs(documents, HOUR), 60_000);
  assertEquals(nextExpiryMs(documents, 2 * HOUR), 0);
  assertEquals(nextExpiryMs(documentsOf({ endpoints: [alive] }), HOUR), Infinity);
});

Deno.test("orphanedEndpoints() returns this host's endpoints without attachment, neither held nor elsewhere", () => {
  const endpoints = [
    alive,
    held,
    endpointOf("lost", "10.9.0.3"),
    { ...endpointOf("far", "10.9.0.4"), bound: { host: "host2", generation: 1 } },
  ];
  const all = documentsOf({ endpoints, attachments: [attachmentOf("web", "10.9.0.1")] });
  assertEquals(orphanedEndpoints(all, "host1").map(({ container }) => container), ["default~lost"]);
});
