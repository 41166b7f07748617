import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { findFreeAddresses } from "../../../../lib/agent/store/free_addresses.ts";
import { type AddressPool, createPool, freeAddresses } from "../../../../lib/ipam/addresses.ts";
import { addressToText, parseAddress, parseSubnet } from "../../../../lib/ipam/subnets.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";

const at = (pool: AddressPool) => ({ tenant: "t", network: "n", pool });
const poolOf = (cidr: string) => createPool({ name: "t/n", subnet: parseSubnet(cidr) });

function claim(store: MemoryStore, addresses: Iterable<number | string>, network = "n"): void {
  const texts = [...addresses].map((one) => typeof one === "number" ? addressToText(one) : one);
  store.database.put(
    Object.fromEntries(texts.map((one) => [`claims/ip/t/${network}/${one}`, { schema: 1 }])),
  );
}

function rangeOf(first: string, last: string): number[] {
  const start = parseAddress(first);
  return Array.from({ length: parseAddress(last) - start + 1 }, (_, n) => start + n);
}

/** Counts what is asked of a store. */
function counting(store: MemoryStore) {
  const asked = { prefixes: 0, listed: 0, calls: 0 };
  return {
    asked,
    count: (prefixes: readonly string[]) => {
      asked.prefixes += prefixes.length;
      asked.calls++;
      return store.count(prefixes);
    },
    list: async (prefix: string) => {
      const found = await store.list(prefix);
      asked.listed += found.entries.length;
      asked.calls++;
      return found;
    },
  };
}

Deno.test("findFreeAddresses() of an empty pool starts with the lowest one", async () => {
  const store = new MemoryStore();
  const found = await findFreeAddresses(store, at(poolOf("10.1.0.0/20")));
  assertEquals([found[0], found.length], ["10.1.0.1", 255]);
});

Deno.test("findFreeAddresses() lists one block only, however many claims there are", async () => {
  const store = new MemoryStore();
  claim(store, rangeOf("10.1.0.1", "10.1.3.6"));
  claim(store, ["10.1.3.8"]);
  claim(store, rangeOf("10.1.3.0", "10.1.3.255"), "other");
  const asked = counting(store);
  const found = await findFreeAddresses(asked, at(poolOf("10.1.0.0/20")));
  assertEquals(found.slice(0, 2), ["10.1.3.7", "10.1.3.9"]);
  assertEquals(asked.asked, { prefixes: 16, listed: 8, calls: 2 });
});

Deno.test("findFreeAddresses() opens more blocks until it has as many as wanted, without what is being taken", async () => {
  const store = new MemoryStore();
  const free = ["10.1.0.9", "10.1.1.9", "10.1.1.10", "10.1.3.9", "10.1.3.200"];
  const all = rangeOf("10.1.0.1", "10.1.3.254").map(addressToText);
  claim(store, all.filter((one) => !free.includes(one)));
  const find = (wanted: number, taken: string[] = []) =>
    findFreeAddresses(store, at(poolOf("10.1.0.0/22")), {
      wanted,
      isTaken: (address) => taken.includes(address),
    });
  assertEquals(await find(1), free.slice(0, 1));
  assertEquals(await find(2), free.slice(0, 3));
  assertEquals(await find(100), free);
  assertEquals(await find(1, free.slice(0, 2)), ["10.1.1.10"]);
  assertEquals(await find(1, free), []);
});

Deno.test("findFreeAddresses() returns none where the pool is full", async () => {
  const store = new MemoryStore();
  claim(store, rangeOf("10.1.0.1", "10.1.3.254"));
  const pool = poolOf("10.1.0.0/22");
  for (const skip of [0, 1, 5_000]) {
    assertEquals(await findFreeAddresses(store, at(pool), { skip }), []);
  }
});

Deno.test("findFreeAddresses() descends by two levels in the pool of a /8", async () => {
  const store = new MemoryStore();
  claim(store, rangeOf("10.0.0.1", "10.0.1.255"));
  const [lowest] = await findFreeAddresses(store, at(poolOf("10.0.0.0/8")));
  assertEquals(lowest, "10.0.2.0");
  const [far] = await findFreeAddresses(store, at(poolOf("10.0.0.0/8")), { skip: 65_536 });
  assertEquals(far, "10.1.2.0");
});

Deno.test("findFreeAddresses() skips free addresses over blocks, and begins again behind the last", async () => {
  const store = new MemoryStore();
  claim(store, ["10.1.0.1", "10.1.1.0"]);
  const pool = poolOf("10.1.0.0/22");
  const place = async (skip: number) => {
    return (await findFreeAddresses(store, at(pool), { skip }))[0];
  };
  assertEquals(await place(1), "10.1.0.3");
  assertEquals(await place(254), "10.1.1.1");
  // 1,020 are free.
  assertEquals(await place(1_019), "10.1.3.254");
  assertEquals(await place(1_020), "10.1.0.2");
  assertEquals(await place(1_000_000), await place(1_000_000 % 1_020));
});

Deno.test("property: without a skip, findFreeAddresses() finds what a look at all claims finds", async () => {
  const size = 2 ** 10;
  const numbers = fc.array(fc.nat(size - 1), { maxLength: 20 });
  const runs = fc.array(fc.tuple(fc.nat(size - 1), fc.nat(400)), { maxLength: 4 });
  const base = parseAddress("10.1.0.0");
  const property = fc.asyncProperty(
    ...[numbers, runs, numbers, fc.option(fc.tuple(fc.nat(size - 1), fc.nat(size - 1)))] as const,
    fc.nat(3_000),
    async (single, full, reserved, alloc, skip) => {
      const used = new Set(single);
      for (const [first, count] of full) {
        for (let n = first; n < Math.min(size, first + count); n++) used.add(n);
      }
      const pool = createPool({
        name: "t/n",
        subnet: parseSubnet("10.1.0.0/22"),
        gateway: base + 1,
        reserve: reserved.map((one) => ({ first: base + one, last: base + one })),
        ...alloc &&
          { allocRange: { first: base + Math.min(...alloc), last: base + Math.max(...alloc) } },
      });
      const hosts = [...used].map((n) => base + n)
        .filter((one) => pool.hosts.first <= one && one <= pool.hosts.last);
      const store = new MemoryStore();
      claim(store, hosts);
      const isUsed = new Set(hosts);
      const free = [...freeAddresses(pool, (one) => isUsed.has(one))].map(addressToText);
      const lowest = await findFreeAddresses(store, at(pool));
      assertEquals(lowest[0], free[0]);
      const other = await findFreeAddresses(store, at(pool), { skip });
      assertEquals(other.length > 0, free.length > 0);
      assert(other.every((one) => free.includes(one)));
      assertEquals(await findFreeAddresses(store, at(pool), { wanted: size }), free);
    },
  );
  await fc.assert(property, { numRuns: 150 });
});
