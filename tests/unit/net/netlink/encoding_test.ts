import { assertEquals } from "@std/assert";
import {
  decodeAck,
  decodeAttributes,
  decodeMessages,
  decodeNumber,
  decodeText,
  encodeRequests,
  type Message,
  NLM_F,
  NLMSG,
  type Request,
} from "../../../../lib/net/netlink/encoding.ts";

const request = (parts: Partial<Request> = {}): Request => ({
  what: "something",
  type: 16,
  flags: 0,
  header: new Uint8Array(16),
  attributes: [],
  ...parts,
});

const hex = (bytes: Uint8Array) => bytes.toHex();

Deno.test("encodeRequests() writes length, type, flags and sequence of each message", () => {
  const bytes = encodeRequests([request({ type: 19, flags: NLM_F.create })], 7, NLM_F.ack);
  assertEquals(hex(bytes.subarray(0, 16)), "20000000" + "1300" + "0504" + "07000000" + "00000000");
});

Deno.test("encodeRequests() sets the ack flag on the last message only", () => {
  const messages = decodeMessages(encodeRequests([request(), request()], 3, NLM_F.ack));
  assertEquals(messages.map(({ flags, sequence }) => [flags, sequence]), [[1, 3], [5, 4]]);
});

Deno.test("encodeRequests() pads attributes of any length, so that the next begins at four", () => {
  for (let length = 0; length < 9; length++) {
    const text = "x".repeat(length);
    const attributes = [[3, text], [4, 1500]] as const;
    const [message] = decodeMessages(encodeRequests([request({ attributes })], 1, 0));
    const found = decodeAttributes(message?.body ?? new Uint8Array(), 16);
    assertEquals(decodeText(found.get(3) ?? new Uint8Array()), text);
    assertEquals(decodeNumber(found.get(4)), 1500);
  }
});

Deno.test("decodeAttributes() finds attributes within attributes", () => {
  const attributes = [[26, [[2, [[1, [[22, 1]]]]]]]] as const;
  const [message] = decodeMessages(encodeRequests([request({ attributes })], 1, 0));
  const outer = decodeAttributes(message?.body ?? new Uint8Array(), 16).get(26)!;
  const inner = decodeAttributes(decodeAttributes(outer, 0).get(2)!, 0).get(1)!;
  assertEquals(decodeNumber(decodeAttributes(inner, 0).get(22)), 1);
});

Deno.test("decodeAttributes() ignores the flag bits of a type", () => {
  assertEquals([...decodeAttributes(Uint8Array.fromHex("08001a80" + "05000000"), 0).keys()], [26]);
});

Deno.test("decodeMessages() leaves out truncated messages and impossible lengths", () => {
  const whole = encodeRequests([request(), request()], 1, 0);
  for (let length = 0; length < whole.length; length++) {
    assertEquals(decodeMessages(whole.subarray(0, length)).length, Math.floor(length / 32));
  }
  assertEquals(decodeMessages(new Uint8Array(64)), []);
});

Deno.test("decodeAttributes() ends at an impossible length", () => {
  assertEquals([...decodeAttributes(Uint8Array.fromHex("0300" + "0100" + "00"), 0)], []);
  assertEquals([...decodeAttributes(Uint8Array.fromHex("ff00" + "0100" + "00000000"), 0)], []);
});

const verdict = (parts: Partial<Message>) =>
  decodeAck({
    type: NLMSG.error,
    flags: 0,
    sequence: 1,
    body: new Uint8Array(20),
    ...parts,
  });
const asked = "10000000" + "1300" + "0500" + "01000000" + "00000000";
const words = "0a000100" + hex(new TextEncoder().encode("taken\0")) + "0000";

for (
  const { name, parts, want } of [
    { name: "success", parts: {}, want: { errno: 0, text: undefined } },
    {
      name: "a bare refusal",
      parts: { body: Uint8Array.fromHex("efffffff" + asked) },
      want: { errno: 17, text: undefined },
    },
    {
      name: "a refusal with the kernel's words after the request's header",
      parts: {
        flags: NLM_F.ackAttributes | NLM_F.capped,
        body: Uint8Array.fromHex("efffffff" + asked.replace("10", "ff") + words),
      },
      want: { errno: 17, text: "taken" },
    },
    {
      name: "a refusal with the kernel's words after the whole request",
      parts: {
        flags: NLM_F.ackAttributes,
        body: Uint8Array.fromHex("efffffff" + asked.replace("10", "14") + "00000000" + words),
      },
      want: { errno: 17, text: "taken" },
    },
    {
      name: "a list's end",
      parts: { type: NLMSG.done, body: Uint8Array.fromHex("00000000") },
      want: { errno: 0, text: undefined },
    },
    {
      name: "a list's end without a number",
      parts: { type: NLMSG.done, body: new Uint8Array() },
      want: { errno: 0, text: undefined },
    },
  ]
) {
  Deno.test(`decodeAck() reads ${name}`, () => assertEquals(verdict(parts), want));
}
