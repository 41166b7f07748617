import { assertEquals } from "@std/assert";
import {
  decodeAddresses,
  decodeDefaultRoutes,
  decodeLinks,
  type KernelRoute,
} from "../../../../lib/net/netlink/replies.ts";
import * as ask from "../../../../lib/net/netlink/requests.ts";
import {
  type Attribute,
  decodeMessages,
  encodeRequests,
  type Message,
  type Request,
} from "../../../../lib/net/netlink/encoding.ts";

const NEW_LINK = 16, NEW_ADDRESS = 20, NEW_ROUTE = 24;

/** A message as the kernel sends it: `header` in hex, then attributes. */
function fromKernel(type: number, header: string, attributes: readonly Attribute[]): Message {
  const request: Request = {
    what: "",
    type,
    flags: 0,
    header: Uint8Array.fromHex(header),
    attributes,
  };
  const [message] = decodeMessages(encodeRequests([request], 1, 0));
  return message!;
}

const linkHeader = (index: string, flags: string) => `00000100${index}${flags}00000000`;

Deno.test("decodeLinks() reads a link", () => {
  const link = fromKernel(NEW_LINK, linkHeader("05000000", "43100100"), [
    [1, Uint8Array.fromHex("02020b010002")],
    [3, "cv1\0"],
    [4, 1400],
    [5, 9],
    [20, "k8contivnet:1\0"],
    [27, 7],
  ]);
  assertEquals(decodeLinks([link]), [{
    index: 5,
    name: "cv1",
    mac: "02:02:0b:01:00:02",
    mtu: 1400,
    isUp: true,
    isLoopback: false,
    alias: "k8contivnet:1",
    kind: "",
    promiscuity: 0,
    group: 7,
    peerIndex: 9,
  }]);
});

Deno.test("decodeLinks() recognises a loopback, a link that is down, and one that has no MAC", () => {
  const [lo, tunnel] = decodeLinks([
    fromKernel(NEW_LINK, linkHeader("01000000", "49000100"), [[3, "lo\0"]]),
    fromKernel(NEW_LINK, linkHeader("02000000", "00000000"), [[3, "t0\0"], [
      1,
      Uint8Array.of(1, 2, 3, 4),
    ]]),
  ]);
  assertEquals([lo?.isLoopback, lo?.isUp], [true, true]);
  assertEquals([tunnel?.isUp, tunnel?.mac, tunnel?.alias], [false, "", ""]);
});

Deno.test("decodeAddresses() returns IPv4 addresses, the near end's of a point-to-point link", () => {
  const four = fromKernel(NEW_ADDRESS, "0218800005000000", [
    [1, Uint8Array.of(10, 0, 0, 9)],
    [2, Uint8Array.of(11, 1, 0, 2)],
  ]);
  const six = fromKernel(NEW_ADDRESS, "0a40800005000000", [[1, new Uint8Array(16)]]);
  assertEquals(decodeAddresses([four, six]), [{ linkIndex: 5, cidr: "11.1.0.2/24" }]);
});

const route = (parts: { length?: string; table?: string; kind?: string }) =>
  `02${parts.length ?? "00"}0000${parts.table ?? "fe"}0300${parts.kind ?? "01"}00000000`;

for (
  const { name, header, attributes, want } of [
    {
      name: "by a gateway",
      header: route({}),
      attributes: [[5, Uint8Array.of(11, 1, 0, 1)], [4, 5]],
      want: [{ linkIndex: 5, linkIndexes: [5], gateway: "11.1.0.1", metric: 0 }],
    },
    {
      name: "with a metric",
      header: route({}),
      attributes: [[5, Uint8Array.of(11, 1, 0, 1)], [4, 5], [6, 100]],
      want: [{ linkIndex: 5, linkIndexes: [5], gateway: "11.1.0.1", metric: 100 }],
    },
    {
      name: "that goes several ways",
      header: route({}),
      attributes: [[
        9,
        Uint8Array.fromHex("0800000007000000" + "1000000009000000" + "080005000b010001"),
      ]],
      want: [{ linkIndex: undefined, linkIndexes: [7, 9], gateway: undefined, metric: 0 }],
    },
    { name: "but none to a subnet", header: route({ length: "18" }), attributes: [], want: [] },
    { name: "but none of another table", header: route({ table: "ff" }), attributes: [], want: [] },
    {
      name: "but none whose table is in an attribute of its own",
      header: route({ table: "00" }),
      attributes: [[15, 1000]],
      want: [],
    },
    {
      name: "but none that leads nowhere",
      header: route({ kind: "07" }),
      attributes: [],
      want: [],
    },
  ] as { name: string; header: string; attributes: Attribute[]; want: KernelRoute[] }[]
) {
  Deno.test(`decodeDefaultRoutes() returns default routes ${name}`, () => {
    assertEquals(decodeDefaultRoutes([fromKernel(NEW_ROUTE, header, attributes)]), want);
  });
}

Deno.test("setLink() changes only what it names", () => {
  const flagsOf = (change: ask.LinkChange) => ask.setLink("x", 5, change).header.toHex();
  assertEquals(flagsOf({}), "00000000" + "05000000" + "00000000" + "00000000");
  assertEquals(flagsOf({ isUp: true }), "00000000" + "05000000" + "01000000" + "01000000");
  assertEquals(flagsOf({ isUp: false }), "00000000" + "05000000" + "00000000" + "01000000");
});
