// Blocks and ranges as values under masks: exactly what they were, and few.

import { assert, assertEquals } from "@std/assert";
import { parseAddress, parseSubnet, subnetHas, subnetToText } from "../../../lib/ipam/subnets.ts";
import { blockWithout, maskOf, portMasks } from "../../../lib/policy/blocks.ts";

const blocks = [
  { block: "10.0.0.0/24", excepts: [], want: "10.0.0.0/24" },
  { block: "10.0.0.0/24", excepts: ["10.0.0.0/24"], want: "" },
  { block: "10.0.0.0/24", excepts: ["10.0.0.0/8"], want: "" },
  { block: "10.0.0.0/30", excepts: ["10.0.0.1/32"], want: "10.0.0.0/32 10.0.0.2/31" },
  { block: "10.0.0.0/23", excepts: ["10.0.1.0/24", "10.0.1.0/25"], want: "10.0.0.0/24" },
];

for (const { block, excepts, want } of blocks) {
  Deno.test(`blockWithout() returns "${want}" for ${block} without ${excepts.join(" ") || "anything"}`, () => {
    const parts = blockWithout(parseSubnet(block), excepts.map((one) => parseSubnet(one)));
    assertEquals(parts.map(subnetToText).join(" "), want);
  });
}

Deno.test("blockWithout() of all addresses but one has 32 parts, which leave out that one only", () => {
  const parts = blockWithout(parseSubnet("0.0.0.0/0"), [parseSubnet("10.1.2.3/32")]);
  assertEquals(parts.length, 32);
  assertEquals(parts.filter((part) => subnetHas(part, parseAddress("10.1.2.3"))), []);
  for (const near of ["10.1.2.2", "10.1.2.4", "255.255.255.255", "0.0.0.0"]) {
    assert(parts.some((part) => subnetHas(part, parseAddress(near))), near);
  }
});

for (
  const [first, last] of [[80, 80], [1, 65_535], [0, 65_535], [1000, 1009], [
    32_767,
    32_769,
  ]] as const
) {
  Deno.test(`portMasks() of ${first}-${last} match each of them once, and no other`, () => {
    const masks = portMasks(first, last);
    assert(masks.length <= 30);
    for (let port = 0; port <= 65_535; port++) {
      const hits = masks.filter(({ value, mask }) => (port & mask) === value).length;
      assertEquals(hits, port >= first && port <= last ? 1 : 0, `port ${port}`);
    }
  });
}

Deno.test("maskOf() returns masks as unsigned numbers", () => {
  assertEquals([0, 1, 8, 31, 32].map(maskOf), [
    0,
    0x8000_0000,
    0xff00_0000,
    0xffff_fffe,
    0xffff_ffff,
  ]);
});
