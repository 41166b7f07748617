import { assertEquals } from "@std/assert";
import {
  addListedFlowMessage,
  countFlowsMessage,
  flowCountOf,
  flowsOf,
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

Deno.test("a flow that the switch lists is added again with the same table, priority, cookie, match and action", () => {
  // OpenFlow 1.3.5, §7.3.5.2: two flows, one that drops what port 7 sends, one that forwards as a learning switch does.
  const counters = "0000000000000009" + "0000000000000384";
  const head = (size: string) => `${size}14` + "00" + "00000005" + "00000001" + "0064";
  const port7 = "0001000c80000004" + "00000007" + "00000000";
  const normal = "00040018000000000000001000000000fffffffa" + "0000000000000000";
  const flow = (size: string, rest: string) =>
    head(size) + "000000000000" + "00000000" + "6b38000700000002" + counters + rest;
  const drop = flow("0040", port7);
  const forward = flow("0050", "0001000400000000" + normal.slice(0, 32) + normal.slice(32, 48));
  const size = (16 + (drop.length + forward.length) / 2).toString(16).padStart(4, "0");
  const [message] = new MessageStream().push(
    Uint8Array.fromHex(`0413${size}00000007` + "00010000" + "00000000" + drop + forward),
  );
  const flows = flowsOf(message!)!;
  assertEquals(flows.map(({ table, priority }) => ({ table, priority })), [
    { table: 20, priority: 100 },
    { table: 20, priority: 100 },
  ]);
  assertEquals(
    addListedFlowMessage(9, flows[0]!).toHex(),
    "040e004000000009" + "6b38000700000002" + "0000000000000000" + "1400" + "00000000" + "0064" +
      "ffffffff" + "ffffffff" + "ffffffff" + "00000000" + port7,
  );
  assertEquals(flows[1]!.rest.toHex(), forward.slice(96));
});

Deno.test("flowsOf() takes a flow of impossible size as one without match, and no other message", () => {
  const short = "0000" + "00".repeat(46);
  const [message] = new MessageStream().push(
    Uint8Array.fromHex("0413004000000007" + "0001000000000000" + short),
  );
  assertEquals(flowsOf(message!)?.length, 1);
  const [other] = new MessageStream().push(
    Uint8Array.fromHex("0413001000000007" + "000d000000000000"),
  );
  assertEquals(flowsOf(other!), undefined);
});
