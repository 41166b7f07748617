import { assertEquals, assertRejects } from "@std/assert";
import { AddressFinder } from "../../../../lib/agent/store/address_finder.ts";
import { createPool } from "../../../../lib/ipam/addresses.ts";
import { parseSubnet } from "../../../../lib/ipam/subnets.ts";

const networkOf = (network: string) => ({
  ...{ tenant: "t", network },
  pool: createPool({ name: `t/${network}`, subnet: parseSubnet("10.1.0.0/16") }),
});

/** A finder whose searches return what is next in `results`, and its clock. */
function finderOf(results: (readonly string[] | Error)[]) {
  const clock = { ms: 0 };
  const searches: string[] = [];
  const finder = new AddressFinder(({ network }) => {
    searches.push(network);
    const next = results.shift() ?? [];
    return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
  }, () => clock.ms);
  return { finder, clock, searches };
}

const isFree = () => false;

Deno.test("find() searches once for all that ask at the same time, and for each network", async () => {
  const { finder, searches } = finderOf([["10.1.0.1"], ["10.2.0.1"]]);
  const asked = [networkOf("a"), networkOf("b"), networkOf("a"), networkOf("a")];
  const found = await Promise.all(asked.map((one) => finder.find(one, isFree)));
  assertEquals(found, [["10.1.0.1"], ["10.2.0.1"], ["10.1.0.1"], ["10.1.0.1"]]);
  assertEquals(searches, ["a", "b"]);
});

Deno.test("find() keeps what was found for a moment, while some of it is not known to be taken", async () => {
  const { finder, clock, searches } = finderOf([["1", "2"], ["3"], ["4"]]);
  const find = (...taken: string[]) =>
    finder.find(networkOf("a"), (address) => taken.includes(address));
  assertEquals(await find(), ["1", "2"]);
  assertEquals(await find("1"), ["1", "2"]);
  assertEquals(await find("1", "2"), ["3"]);
  clock.ms += 9_000;
  assertEquals(await find(), ["3"]);
  clock.ms += 2_000;
  assertEquals(await find(), ["4"]);
  assertEquals(searches.length, 3);
});

Deno.test("find() does not keep that a pool is full, nor a fault", async () => {
  const { finder } = finderOf([[], new Error("unreachable"), ["10.1.0.1"]]);
  assertEquals(await finder.find(networkOf("a"), isFree), []);
  await assertRejects(() => finder.find(networkOf("a"), isFree), Error, "unreachable");
  assertEquals(await finder.find(networkOf("a"), isFree), ["10.1.0.1"]);
});
