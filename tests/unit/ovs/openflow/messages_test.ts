import { assertEquals } from "@std/assert";
import {
  countFlowsMessage,
  flowCountOf,
  MessageStream,
} from "../../../../lib/ovs/openflow/messages.ts";

Deno.test("flowCountOf() reads the number in the switch's answer, and no other message's", () => {
  // OpenFlow 1.3.5, §7.3.5.3: kind 2, then packets, bytes and the number.
  const answer = "0413002800000007" + "00020000" + "00000000" + "0000000000000005" +
    "00000000000001a4" + "00000003" + "00000000";
  const [message] = new MessageStream().push(Uint8Array.fromHex(answer));
  assertEquals(flowCountOf(message!), 3);
  const ports = "0413001000000007" + "000d0000" + "00000000";
  const [other] = new MessageStream().push(Uint8Array.fromHex(ports));
  assertEquals(flowCountOf(other!), undefined);
});

Deno.test("countFlowsMessage() asks for all tables, and for the cookies under the mask", () => {
  assertEquals(
    countFlowsMessage(7, 0x6b38n << 48n, 0xffff_fffen << 32n).toHex(),
    "0412003800000007" + "00020000" + "00000000" + "ff000000" + "ffffffff" + "ffffffff" +
      "00000000" + "6b38000000000000" + "fffffffe00000000" + "0001000400000000",
  );
});
