import { assertEquals } from "@std/assert";
import type { LinkEvent } from "../../../../lib/net/link_events.ts";
import { decodeEvents } from "../../../../lib/net/netlink/netlink_events.ts";
import {
  type Attribute,
  decodeMessages,
  encodeRequests,
} from "../../../../lib/net/netlink/encoding.ts";

const MAC = Uint8Array.fromHex("02020a090001");
const ADDRESS = Uint8Array.from([10, 9, 0, 1]);

const cases: readonly {
  what: string;
  type: number;
  header: string;
  attributes: readonly Attribute[];
  want: readonly LinkEvent[];
}[] = [
  {
    what: "a link that was switched off",
    type: 16,
    header: "00000100050000000210000000000000",
    attributes: [[1, MAC], [3, "eth0\0"], [4, 1500]],
    want: [{ kind: "link", name: "eth0", mac: "02:02:0a:09:00:01", mtu: 1500, isUp: false }],
  },
  {
    what: "a link that was deleted",
    type: 17,
    header: "00000100050000000210000000000000",
    attributes: [[3, "cv1\0"]],
    want: [{ kind: "gone", name: "cv1" }],
  },
  {
    what: "an address that was taken away",
    type: 21,
    header: "0210800005000000",
    attributes: [[1, ADDRESS], [2, ADDRESS]],
    want: [{ kind: "address", address: "10.9.0.1" }],
  },
  {
    what: "an IPv6 address that was taken away",
    type: 21,
    header: "0a40800005000000",
    attributes: [[1, new Uint8Array(16)]],
    want: [],
  },
  {
    what: "a default route that was taken away",
    type: 25,
    header: "02000000fe03000100000000",
    attributes: [[5, ADDRESS]],
    want: [{ kind: "route", gateway: "10.9.0.1" }],
  },
  {
    what: "another route that was taken away",
    type: 25,
    header: "02180000fe03000100000000",
    attributes: [[1, ADDRESS], [5, ADDRESS]],
    want: [],
  },
  { what: "a new address", type: 20, header: "0210800005000000", attributes: [], want: [] },
];

for (const { what, type, header, attributes, want } of cases) {
  Deno.test(`decodeEvents() of ${what}`, () => {
    const request = { what, type, flags: 0, header: Uint8Array.fromHex(header), attributes };
    assertEquals(decodeEvents(decodeMessages(encodeRequests([request], 1, 0))), want);
  });
}
