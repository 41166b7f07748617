// What is around the flows of a bundle, as ovs-ofctl 3.1 sends it over OpenFlow 1.3, and what a switch says.

import { assertEquals } from "@std/assert";
import {
  addMessage,
  commitMessage,
  discardMessage,
  isCommitted,
  openMessage,
} from "../../../../../lib/ovs/openflow/bundle/bundle_messages.ts";
import { encodeChange } from "../../../../../lib/ovs/openflow/bundle/flow_mod.ts";
import { refusalOf } from "../../../../../lib/ovs/openflow/bundle/openflow_errors.ts";
import { type Message, MessageStream } from "../../../../../lib/ovs/openflow/messages.ts";

const hexOf = (bytes: Uint8Array) =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

function messageOf(hex: string): Message {
  const bytes = Uint8Array.from(hex.match(/../g) ?? [], (two) => parseInt(two, 16));
  return new MessageStream().push(bytes)[0]!;
}

Deno.test("openMessage(), commitMessage() and discardMessage() are those of ovs-ofctl", () => {
  assertEquals(hexOf(openMessage(3, 0)), "04040018000000034f4e4600000008fc0000000000000003");
  assertEquals(hexOf(commitMessage(5, 0)), "04040018000000054f4e4600000008fc0000000000040003");
  assertEquals(hexOf(discardMessage(5, 9)), "04040018000000054f4e4600000008fc0000000900060003");
});

Deno.test("addMessage() puts a flow into a bundle, both under the same id", () => {
  const line = "add cookie=0x6b38000600000000, table=31, priority=0 actions=drop";
  const inner = encodeChange(line)!.message;
  assertEquals(
    hexOf(addMessage(0x1234, 7, inner)),
    "04040050000012344f4e4600000008fd0000000700000003" +
      hexOf(inner).replace(/^(.{8})00000000/, "$100001234"),
  );
  assertEquals(hexOf(inner).slice(8, 16), "00000000", "the flow's own message was changed");
});

Deno.test("isCommitted() knows the answer to a commit from all others", () => {
  const reply = (kind: string) => `04040018000000054f4e4600000008fc00000000${kind}0000`;
  assertEquals(isCommitted(messageOf(reply("0005"))), true);
  for (const kind of ["0001", "0003", "0007", "0004"]) {
    assertEquals(isCommitted(messageOf(reply(kind))), false, kind);
  }
  assertEquals(isCommitted(messageOf("0404001000000005000023200000000e")), false);
  assertEquals(isCommitted(messageOf("0415000800000005")), false);
});

const REASONS = [
  ["0005000100000000", "OFPFMFC_TABLE_FULL"],
  ["000c0002", "OFPMMFC_INVALID_METER"],
  ["00020009", "OFPET_BAD_ACTION, code 9"],
  ["ffff09094f4e4600", "OFPET_BUNDLE_FAILED, code 13"],
  ["ffff002200002320", "OpenFlow error 34"],
  ["00630001", "OpenFlow error 99/1"],
  ["00", "an error without a reason"],
];

for (const [body = "", want = ""] of REASONS) {
  Deno.test(`refusalOf() says ${want}`, () => {
    const size = (8 + body.length / 2).toString(16).padStart(4, "0");
    assertEquals(refusalOf(messageOf(`0401${size}00000001${body}`)), want);
  });
}
