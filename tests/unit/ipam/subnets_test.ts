import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  addressToText,
  blockAt,
  freeSubnets,
  hostAt,
  hostIndex,
  nextFreeSubnet,
  overlap,
  parseAddress,
  parseSubnet,
  type Subnet,
  subnetHolds,
  subnetToText,
} from "../../../lib/ipam/subnets.ts";
import { Fault } from "../../../lib/util/errors.ts";

const oddAddresses = [
  "",
  "11..5.0",
  "11..5.0.0",
  "1.2.3",
  "1.2.3.4.5",
  "011.1.1.1",
  "10.1",
  "10.0.0.256",
  " 10.0.0.1",
  "10.0.0.1\n",
  "1.1.1.-1",
  "1.1.1.1e0",
  "0x1.1.1.1",
  "١.1.1.1",
  "::1",
];

for (const text of oddAddresses) {
  Deno.test(`parseAddress() refuses ${JSON.stringify(text)}`, () => {
    assertStringIncludes(
      assertThrows(() => parseAddress(text), Fault).message,
      "not a valid IPv4 address",
    );
  });
}

Deno.test("parseAddress() and addressToText() are each other's reverse", () => {
  assertEquals(parseAddress("255.255.255.255"), 2 ** 32 - 1);
  fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (address) => {
    assertEquals(parseAddress(addressToText(address)), address);
  }));
});

const oddSubnets = [
  "11.1.0.0",
  "11.1.0.0/",
  "11.1.0.0/33",
  "11.1.0.0/08",
  "11.1.0.0/1e1",
  "11.1.0.0/ 8",
  "11.1.0.0/16/16",
  "0/24",
  "11..5.0.0/16",
  "/16",
];

for (const text of oddSubnets) {
  Deno.test(`parseSubnet() refuses ${JSON.stringify(text)}`, () => {
    assertEquals(assertThrows(() => parseSubnet(text), Fault).code, "usage");
  });
}

Deno.test("a negative prefix length is refused", () => {
  assertStringIncludes(
    assertThrows(() => parseSubnet("10.0.0.0/-1"), Fault).message,
    "a prefix length from 0 to 32",
  );
});

Deno.test("parseSubnet() refuses host bits with the way out, or cuts them where that is asked for", () => {
  const fault = assertThrows(() => parseSubnet("10.0.0.77/24"), Fault);
  assertStringIncludes(fault.message, 'has host bits; write "10.0.0.0/24"');
  assertEquals(subnetToText(parseSubnet("10.0.0.77/24", { hostBits: "cut" })), "10.0.0.0/24");
  assertEquals(subnetToText(parseSubnet("255.255.255.255/32")), "255.255.255.255/32");
  assertEquals(subnetToText(parseSubnet("0.0.0.0/0")), "0.0.0.0/0");
});

const hosts: readonly { subnet: string; index: number; want: string }[] = [
  { subnet: "11.2.1.0/24", index: 5, want: "11.2.1.5" },
  { subnet: "10.123.16.0/22", index: 513, want: "10.123.18.1" },
  { subnet: "172.12.0.0/16", index: 261, want: "172.12.1.5" },
  { subnet: "255.255.255.0/24", index: 255, want: "255.255.255.255" },
];

for (const { subnet, index, want } of hosts) {
  Deno.test(`hostAt() returns ${want} as host ${index} of ${subnet}, and hostIndex() the reverse`, () => {
    assertEquals(addressToText(hostAt(parseSubnet(subnet), index)), want);
    assertEquals(hostIndex(parseSubnet(subnet), parseAddress(want)), index);
  });
}

const noHosts: readonly { subnet: string; index: number }[] = [
  { subnet: "11.2.1.1/32", index: 5 },
  { subnet: "10.123.16.0/22", index: 1025 },
  { subnet: "16.0.0.0/4", index: 1 },
  { subnet: "11.2.1.0/24", index: -1 },
  { subnet: "11.2.1.0/24", index: 1.5 },
];

for (const { subnet, index } of noHosts) {
  Deno.test(`hostAt() refuses host ${index} of ${subnet}`, () => {
    assertEquals(assertThrows(() => hostAt(parseSubnet(subnet), index), Fault).code, "usage");
  });
}

Deno.test("hostIndex() refuses an address of another subnet", () => {
  assertThrows(() => hostIndex(parseSubnet("11.2.1.0/24"), parseAddress("11.2.2.0")), Fault);
});

Deno.test("blockAt() cuts a pool into blocks", () => {
  assertEquals(subnetToText(blockAt(parseSubnet("11.1.0.0/16"), 24, 5)), "11.1.5.0/24");
  assertEquals(subnetToText(blockAt(parseSubnet("10.0.0.0/8"), 24, 5)), "10.0.5.0/24");
  assertThrows(() => blockAt(parseSubnet("11.1.0.0/16"), 24, 256), Fault);
  assertThrows(() => blockAt(parseSubnet("11.1.0.0/22"), 20, 0), Fault);
});

const free: readonly { pool: string; length: number; used: string[]; want: string }[] = [
  { pool: "11.1.0.0/16", length: 24, used: [], want: "11.1.0.0/24" },
  { pool: "11.1.0.0/16", length: 24, used: ["11.1.0.0/24"], want: "11.1.1.0/24" },
  { pool: "11.1.0.0/16", length: 24, used: ["11.1.1.0/24"], want: "11.1.0.0/24" },
  { pool: "11.1.0.0/16", length: 24, used: ["11.1.0.128/25"], want: "11.1.1.0/24" },
  { pool: "11.1.0.0/16", length: 24, used: ["11.1.0.0/25", "11.1.1.5/32"], want: "11.1.2.0/24" },
  { pool: "11.1.0.0/16", length: 24, used: ["11.0.0.0/8"], want: "none" },
  { pool: "11.1.0.0/16", length: 16, used: ["11.2.0.0/16"], want: "11.1.0.0/16" },
  { pool: "11.1.0.0/16", length: 16, used: ["11.1.255.255/32"], want: "none" },
  {
    pool: "255.255.255.254/31",
    length: 32,
    used: ["255.255.255.254/32"],
    want: "255.255.255.255/32",
  },
  { pool: "255.255.255.255/32", length: 32, used: ["255.255.255.255/32"], want: "none" },
];

for (const { pool, length, used, want } of free) {
  Deno.test(`nextFreeSubnet() of ${pool} /${length} beside ${used.join(" ") || "nothing"} is ${want}`, () => {
    const found = nextFreeSubnet(parseSubnet(pool), length, used.map((one) => parseSubnet(one)));
    assertEquals(found ? subnetToText(found) : "none", want);
  });
}

Deno.test("freeSubnets() returns what trying every block finds", () => {
  const pool = parseSubnet("10.0.0.0/24");
  const block = fc.tuple(fc.integer({ min: 25, max: 32 }), fc.nat(255)).map((
    [length, at],
  ): Subnet => ({ base: pool.base + at - at % 2 ** (32 - length), length }));
  fc.assert(fc.property(fc.array(block), fc.integer({ min: 24, max: 32 }), (used, length) => {
    const all = Array.from({ length: 2 ** (length - 24) }, (_, n) => blockAt(pool, length, n));
    const free = all.filter((one) => !used.some((taken) => overlap(one, taken)));
    assertEquals(nextFreeSubnet(pool, length, used), free[0]);
    assertEquals([...freeSubnets(pool, length, used)], free);
  }));
});

Deno.test("freeSubnets() returns no block that is larger than its pool", () => {
  const pool = parseSubnet("10.0.0.0/24");
  assertEquals([...freeSubnets(pool, 23, [])], []);
  assertEquals([...freeSubnets(pool, 23, [parseSubnet("10.0.0.0/30")])], []);
});

Deno.test("overlap() is true of a subnet and its parts only", () => {
  const [wide, narrow, other] = ["11.1.0.0/16", "11.1.7.0/24", "11.2.0.0/16"].map((text) =>
    parseSubnet(text)
  ) as [Subnet, Subnet, Subnet];
  assertEquals([overlap(wide, narrow), overlap(narrow, wide), overlap(wide, other)], [
    true,
    true,
    false,
  ]);
  assertEquals([subnetHolds(wide, narrow), subnetHolds(narrow, wide)], [true, false]);
  const first = parseSubnet("11.1.0.0/24");
  assertEquals([subnetHolds(wide, first), subnetHolds(first, wide)], [true, false]);
});
