import { assertEquals } from "@std/assert";
import { blocksIn, choicesIn, widestBlocks } from "../../../lib/ipam/address_blocks.ts";
import { createPool, parseAddressRange } from "../../../lib/ipam/addresses.ts";
import { addressToText, parseAddress, parseSubnet } from "../../../lib/ipam/subnets.ts";

const poolOf = (
  cidr: string,
  more: { reserve?: string[]; alloc?: string; gateway?: string } = {},
) =>
  createPool({
    name: "t/n",
    subnet: parseSubnet(cidr),
    gateway: more.gateway === undefined ? undefined : parseAddress(more.gateway),
    reserve: (more.reserve ?? []).map(parseAddressRange),
    allocRange: more.alloc === undefined ? undefined : parseAddressRange(more.alloc),
  });

Deno.test("widestBlocks() are at most 256", () => {
  const lengths = ["10.0.0.0/8", "10.16.0.0/12", "10.1.0.0/16", "10.1.4.0/22", "10.1.1.8/30"]
    .map((cidr) => widestBlocks(parseSubnet(cidr)));
  assertEquals(lengths, [16, 16, 24, 24, 24]);
});

Deno.test("blocksIn() returns the blocks that the pool can choose from, and what is in them", () => {
  const pool = poolOf("10.1.4.0/22", { gateway: "10.1.4.1", reserve: ["10.1.5.0-10.1.5.255"] });
  const blocks = blocksIn(pool, pool.subnet, 24);
  assertEquals(blocks.map(({ prefix, hosts, choices }) => [prefix, hosts, choices]), [
    ["10.1.4.", 255, 254],
    ["10.1.6.", 256, 256],
    ["10.1.7.", 255, 255],
  ]);
});

Deno.test("blocksIn() of a wide pool are found from their first two numbers on", () => {
  const pool = poolOf("10.0.0.0/8", { alloc: "10.3.255.254-10.5.0.1" });
  const wide = blocksIn(pool, pool.subnet, 16);
  assertEquals(wide.map(({ prefix, choices }) => [prefix, choices]), [
    ["10.3.", 2],
    ["10.4.", 65_536],
    ["10.5.", 2],
  ]);
  const [first] = blocksIn(pool, wide[0]!.subnet, 24);
  assertEquals(first?.prefix, "10.3.255.");
  assertEquals([...choicesIn(pool, first!)].map(addressToText), ["10.3.255.254", "10.3.255.255"]);
});

Deno.test("a subnet smaller than a block has one, without its network and broadcast address", () => {
  const pool = poolOf("10.1.1.8/29", { gateway: "10.1.1.14" });
  const [block, ...more] = blocksIn(pool, pool.subnet, 24);
  assertEquals([block?.prefix, block?.hosts, block?.choices, more.length], ["10.1.1.", 6, 5, 0]);
  assertEquals([...choicesIn(pool, block!)].map(addressToText).at(-1), "10.1.1.13");
});
