import { assertEquals, assertMatch } from "@std/assert";
import {
  attachmentFromPort,
  attachmentToPair,
  attachmentToPort,
  hostEndOf,
} from "../../../../lib/agent/pods/port_external_ids.ts";
import type { AttachmentRecord } from "../../../../lib/intent/records.ts";
import type { PortRow } from "../../../../lib/ovs/switch.ts";
import { attachmentOf } from "./dynamic_records.ts";

const full: AttachmentRecord = attachmentOf("web", "10.9.0.1", {
  ...{ id: "0123456789a", podUid: "uid-1", startTime: 77, gateway: "10.9.0.254" },
  addresses: ["10.9.0.1/24", "10.9.0.2/24"],
  state: "planned",
});
const { podUid: _, startTime: __, gateway: ___, ...least } = full;

const rowOf = (externalIds: Readonly<Record<string, string>>) => ({ externalIds }) as PortRow;

for (const [name, one] of [["all fields", full], ["the required fields", least]] as const) {
  Deno.test(`an attachment with ${name} is the same after its port's external_ids`, () => {
    const { externalIds } = attachmentToPort(one, 100);
    assertEquals(attachmentFromPort(rowOf(externalIds)), one);
  });
}

Deno.test("attachmentFromPort() returns nothing if a required external_id is missing", () => {
  const optional = ["pod-uid", "start-time", "gateway"];
  const numbers = ["netns-inode", "mtu", "generation"];
  const { externalIds } = attachmentToPort(full, 100);
  for (const key of Object.keys(externalIds)) {
    if ([...optional, ...numbers].includes(key)) continue;
    const { [key]: _, ...rest } = externalIds;
    assertEquals(attachmentFromPort(rowOf(rest)), undefined, key);
  }
});

Deno.test("attachmentToPort() names the host end within the kernel's 15 characters", () => {
  const port = attachmentToPort(full, 100);
  assertEquals([port.name, port.name.length, port.tag], [hostEndOf(full), 13, 100]);
  assertEquals(port.addresses, ["10.9.0.1", "10.9.0.2"]);
});

Deno.test("attachmentToPair() leaves the default route to an interface of another program", () => {
  const pair = (hasForeign: boolean) =>
    attachmentToPair(full, { checksumOffload: true, hasForeign });
  assertEquals([pair(false).gateway, pair(true).gateway], ["10.9.0.254", undefined]);
  assertMatch(pair(false).alias, /^k8contivnet:0123456789a default\/web t\/blue$/);
});
