// What a switch reports of a packet, from real messages and from malformed ones.

import { assertEquals } from "@std/assert";
import { type Message, MessageStream } from "../../../../lib/ovs/openflow/messages.ts";
import { packetInOf, subscribePacketsMessages } from "../../../../lib/ovs/openflow/packet_in.ts";

// As Open vSwitch 3.1 sent it: reg0=0x65, reg1=10.9.0.1, reg2=255.255.255.255, reg3=tcp:80, reg5=7.
const RECORDED = "040a008a00000000ffffffff0038011f6b3800060000000700010034" +
  "80000004fffffffe" + "0001000400000065" + "000102040a090001" + "00010404ffffffff" +
  "0001060400060050" + "00010a0400000007" + "00000000" + "0000" +
  "ffffffffffff02020202020208004500002800010000400600000a0900010a090002" +
  "30390050000000000000000050020000000000000000";

const bytesOf = (hex: string) =>
  Uint8Array.from(hex.match(/../g) ?? [], (two) => parseInt(two, 16));
const hexOf = (bytes: Uint8Array) =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

function recorded(): Message {
  return new MessageStream().push(bytesOf(RECORDED))[0]!;
}

Deno.test("packetInOf() returns cookie and registers of a message that a switch sent", () => {
  const packet = packetInOf(recorded());
  assertEquals(packet?.cookie, 0x6b38_0006_0000_0007n);
  assertEquals(
    [...packet?.registers ?? []],
    [[0, 0x65], [1, 0x0a09_0001], [2, 0xffff_ffff], [3, 0x6_0050], [5, 7]],
  );
  assertEquals(hexOf(packet!.data).slice(0, 28), "ffffffffffff0202020202020800");
  assertEquals(packet?.data.length, 56);
});

Deno.test("packetInOf() returns undefined for a message that is cut before its match ends", () => {
  const { type, xid, body } = recorded();
  const end = 16 + 0x34;
  for (let size = 0; size < end; size++) {
    assertEquals(packetInOf({ type, xid, body: body.slice(0, size) }), undefined, `${size} bytes`);
  }
  assertEquals(packetInOf({ type, xid, body: body.slice(0, end) })?.registers.size, 5);
});

Deno.test("packetInOf() ends on any bytes, and takes no register from outside of the match", () => {
  const { type, xid, body } = recorded();
  for (let at = 0; at < body.length; at++) {
    for (const value of [0, 1, 3, 4, 5, 0x7f, 0x80, 0xff]) {
      const twisted = body.slice();
      twisted[at] = value;
      const found = packetInOf({ type, xid, body: twisted });
      for (const number of found?.registers.keys() ?? []) assertEquals(number < 16, true);
    }
  }
  let seed = 1;
  for (let times = 0; times < 5_000; times++) {
    const noise = Uint8Array.from({ length: times % 200 }, () => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return seed >>> 16;
    });
    packetInOf({ type, xid, body: noise });
  }
});

Deno.test("packetInOf() returns undefined for other messages", () => {
  assertEquals(packetInOf({ ...recorded(), type: 12 }), undefined);
});

Deno.test("subscribePacketsMessages() asks for an id's packets, as the switch understood it", () => {
  assertEquals(subscribePacketsMessages(2, 0x6b38).map(hexOf), [
    "04040018000000020000232000000014" + "0000000000006b38",
    "041c00200000000200000002000000020000000000000000" + "0000000000000000",
    "0409000c0000000200000080",
  ]);
});
