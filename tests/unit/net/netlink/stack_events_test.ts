import { assertEquals } from "@std/assert";
import { isOfStack, isOfTable } from "../../../../lib/net/netlink/stack_events.ts";
import {
  type Attribute,
  decodeMessages,
  encodeRequests,
} from "../../../../lib/net/netlink/encoding.ts";

const NAMES = { device: "contivHost", nextHop: "169.254.1.1", table: "k8contivnet" };
const HOP = Uint8Array.from([169, 254, 1, 1]);
const OTHER = Uint8Array.from([192, 0, 2, 1]);
const ALL = new Uint8Array(4).fill(255);
const LINK = "00".repeat(16);
const MAIN_ROUTE = "02180000fe000000" + "00000000";
const LOCAL_ROUTE = "02180000ff000000" + "00000000";

function messageOf(type: number, header: string, attributes: readonly Attribute[]) {
  const request = { what: "", type, flags: 0, header: Uint8Array.fromHex(header), attributes };
  const [message] = decodeMessages(encodeRequests([request], 1, 0));
  if (!message) throw new Error("no message");
  return message;
}

const stackCases: readonly [string, number, string, readonly Attribute[], boolean][] = [
  ["the link changed", 16, LINK, [[3, "contivHost\0"]], true],
  ["the link gone", 17, LINK, [[3, "contivHost\0"]], true],
  ["another link", 16, LINK, [[3, "cv0123\0"]], false],
  ["an address of the link", 21, "00".repeat(8), [[2, OTHER], [3, "contivHost\0"]], true],
  ["an address of another link", 21, "00".repeat(8), [[2, OTHER], [3, "eth0\0"]], false],
  ["the next hop's neighbour", 29, "00".repeat(12), [[1, HOP]], true],
  ["another neighbour", 28, "00".repeat(12), [[1, OTHER]], false],
  ["a route of the main table", 24, MAIN_ROUTE, [[5, OTHER]], true],
  ["a local address' route", 24, LOCAL_ROUTE, [], false],
  ["ip_forward", 80, "02000000", [[1, ALL]], true],
  ["a new link's settings", 80, "02000000", [[1, 7]], false],
  ["something else", 36, LINK, [], false],
];

for (const [what, type, header, attributes, isOfIt] of stackCases) {
  Deno.test(`isOfStack(): ${what} is ${isOfIt ? "" : "not "}about the host's stack`, () => {
    assertEquals(isOfStack(messageOf(type, header, attributes), NAMES), isOfIt);
  });
}

const tableCases: readonly [string, number, readonly Attribute[], boolean][] = [
  ["our table gone", 0x0a02, [[1, "k8contivnet\0"]], true],
  ["an element of ours gone", 0x0a0e, [[1, "k8contivnet\0"]], true],
  ["another one of our tables gone", 0x0a02, [[1, "k8contivnet-egress\0"]], true],
  ["another table's rule", 0x0a06, [[1, "filter\0"]], false],
  ["a new generation", 0x0a0f, [[1, "k8contivnet\0"]], false],
  ["another subsystem", 0x0102, [[1, "k8contivnet\0"]], false],
];

for (const [what, type, attributes, isOfIt] of tableCases) {
  Deno.test(`isOfTable(): ${what} is ${isOfIt ? "" : "not "}about our table`, () => {
    assertEquals(isOfTable(messageOf(type, "02000000", attributes), NAMES.table), isOfIt);
  });
}
