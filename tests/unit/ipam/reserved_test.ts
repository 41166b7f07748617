import { assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { parseAddressRange } from "../../../lib/ipam/addresses.ts";
import { reservationOf, reservationOfAll, reservedIn } from "../../../lib/ipam/reserved.ts";
import { freeSubnets, hostsIn, parseSubnet, subnetToText } from "../../../lib/ipam/subnets.ts";
import { runs } from "../cases.ts";

const reserved: readonly (readonly [cidr: string, why: string])[] = [
  ["0.0.0.0/8", "RFC 1122"],
  ["0.1.2.0/24", '"this network"'],
  ["127.0.0.0/8", "loopback"],
  ["127.0.1.0/24", "127.0.0.0/8 is reserved for loopback"],
  ["127.255.255.254/32", "loopback"],
  ["169.254.0.0/16", "RFC 3927"],
  ["169.254.169.254/32", "link-local"],
  ["169.0.0.0/8", "169.254.0.0/16"],
  ["169.254.0.0/15", "169.254.0.0/16"],
  ["224.0.0.0/8", "multicast"],
  ["239.255.255.0/24", "RFC 5771"],
  ["255.255.255.255/32", "RFC 919"],
  ["255.255.255.254/31", "RFC 919"],
];

for (const [cidr, why] of reserved) {
  Deno.test(`no address of ${cidr} can be a pod's`, () => {
    assertStringIncludes(reservationOf(hostsIn(parseSubnet(cidr))) ?? "", why);
  });
}

const usable = [
  ["private", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
  ["benchmark", "198.18.0.0/15"],
  ["documentation", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"],
  ["shared", "100.64.0.0/10"],
  ["class E", "240.0.0.0/8", "250.1.0.0/16", "255.0.0.0/8", "255.255.255.0/24"],
  ["IETF and anycast", "192.0.0.0/24", "192.88.99.0/24"],
  ["neighbouring", "1.0.0.0/8", "126.0.0.0/8", "128.0.0.0/8", "169.253.0.0/16", "169.255.0.0/16"],
  ["last unicast", "223.255.255.0/24"],
];

for (const [kind, ...cidrs] of usable) {
  Deno.test(`${kind} blocks stay what they are`, () => {
    for (const cidr of cidrs) {
      assertEquals(reservationOf(hostsIn(parseSubnet(cidr))), undefined, cidr);
    }
  });
}

Deno.test("a range counts as reserved where one of its addresses is", () => {
  assertStringIncludes(reservationOf(parseAddressRange("126.9.9.9-127.0.0.0")) ?? "", "loopback");
  assertEquals(reservationOf(parseAddressRange("126.0.0.0-126.255.255.255")), undefined);
});

Deno.test("a pool that is larger than a reserved block is not all reserved", () => {
  assertEquals(reservationOfAll(parseSubnet("169.0.0.0/8")), undefined);
  assertStringIncludes(reservationOfAll(parseSubnet("169.254.8.0/24")) ?? "", "RFC 3927");
});

Deno.test("blocks cut from any pool beside reservedIn() have no reserved address", () => {
  const pool = fc.tuple(fc.constantFrom(0, 126, 127, 169, 223, 224, 239, 255), fc.nat(255)).map((
    [first, second],
  ) => parseSubnet(`${first}.${second}.0.0/14`, { hostBits: "cut" }));
  fc.assert(
    fc.property(pool, fc.integer({ min: 14, max: 32 }), (pool, length) => {
      const blocks = freeSubnets(pool, length, reservedIn(pool, length));
      for (const block of [...blocks.take(300)]) {
        assertEquals(reservationOf(hostsIn(block)), undefined, subnetToText(block));
      }
    }),
    runs(2_000),
  );
});
