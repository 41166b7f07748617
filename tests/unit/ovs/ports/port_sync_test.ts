import { assertEquals } from "@std/assert";
import { antispoofCookie } from "../../../../lib/ovs/openflow/cookies.ts";
import type { OurPort } from "../../../../lib/ovs/ovsdb/port_rows.ts";
import { PortSync } from "../../../../lib/ovs/ports/port_sync.ts";

/** Syncs without any desired port on a bridge that has `port`; returns whether the flows of number 7 stay. */
async function keepsSeven(port: OurPort): Promise<boolean> {
  let isKept = (_: bigint): boolean => false;
  const rows = { ports: () => [port.row], port: () => port };
  const sync = new PortSync({
    options: { hasDelivery: true },
    tools: {
      syncFlows: (_, given) => {
        isKept = given.isKept;
        return Promise.resolve();
      },
    },
    driver: { rows: () => Promise.resolve(rows), deleteFlows: () => Promise.resolve() },
    changes: { arriving: new Map() },
  });
  await sync.run([], performance.now() + 1_000);
  return isKept(antispoofCookie(7));
}

const MAC = "02:02:0a:09:00:01";
const row = { name: "cw1", externalIds: {}, mac: MAC };

Deno.test("a sync keeps the flows of a port that was given to a pod after the specs were made", async () => {
  assertEquals(await keepsSeven({ uuid: "u", row: { ...row, ofport: 7 } }), true);
  // ovs-vswitchd has it, and its row does not say so yet.
  assertEquals(await keepsSeven({ uuid: "u", row, requested: 7 }), true);
});

Deno.test("a sync keeps no flows of a port that waits for a pod", async () => {
  const { mac: _, ...parked } = row;
  assertEquals(await keepsSeven({ uuid: "u", row: { ...parked, ofport: 7 } }), false);
});
