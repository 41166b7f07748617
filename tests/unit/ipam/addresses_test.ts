import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  addressRangeToText,
  createPool,
  freeAddresses,
  lowestFreeAddress,
  parseAddressRange,
  poolSize,
  refusalOf,
} from "../../../lib/ipam/addresses.ts";
import { addressToText, parseAddress, parseSubnet } from "../../../lib/ipam/subnets.ts";
import { Fault } from "../../../lib/util/errors.ts";

const pool = (
  cidr: string,
  { gateway, reserve = [], allocRange }: {
    gateway?: string;
    reserve?: string[];
    allocRange?: string;
  } = {},
) =>
  createPool({
    name: "tenant-one/orange",
    subnet: parseSubnet(cidr),
    gateway: gateway === undefined ? undefined : parseAddress(gateway),
    reserve: reserve.map(parseAddressRange),
    allocRange: allocRange === undefined ? undefined : parseAddressRange(allocRange),
  });

const nothing = () => false;

const given: readonly { name: string; pool: ReturnType<typeof pool>; want: string }[] = [
  { name: "a /30", pool: pool("11.1.0.0/30"), want: "11.1.0.1 11.1.0.2" },
  { name: "a /31 (both)", pool: pool("11.1.0.0/31"), want: "11.1.0.0 11.1.0.1" },
  { name: "a /32 (its only one)", pool: pool("11.1.0.9/32"), want: "11.1.0.9" },
  {
    name: "a /29 with gateway",
    pool: pool("11.1.0.0/29", { gateway: "11.1.0.1" }),
    want: "11.1.0.2 11.1.0.3 11.1.0.4 11.1.0.5 11.1.0.6",
  },
  {
    name: "a /29 with reserve",
    pool: pool("11.1.0.0/29", { reserve: ["11.1.0.0-11.1.0.3", "11.1.0.5"] }),
    want: "11.1.0.4 11.1.0.6",
  },
  {
    name: "a /24 with allocRange",
    pool: pool("11.1.0.0/24", { allocRange: "11.1.0.254-11.1.0.255" }),
    want: "11.1.0.254",
  },
  {
    name: "an allocRange that is all reserved",
    pool: pool("11.1.0.0/24", { allocRange: "11.1.0.7", reserve: ["11.1.0.0-11.1.0.99"] }),
    want: "",
  },
  {
    name: "the last subnet of all",
    pool: pool("255.255.255.252/30"),
    want: "255.255.255.253 255.255.255.254",
  },
];

for (const { name, pool, want } of given) {
  Deno.test(`freeAddresses() of ${name} are ${want || "none"}`, () => {
    const all = [...freeAddresses(pool, nothing)];
    assertEquals(all.map(addressToText).join(" "), want);
    assertEquals(poolSize(pool), all.length);
  });
}

Deno.test("the broadcast address is never given", () => {
  for (const cidr of ["11.1.0.0/24", "11.1.0.0/30", "10.0.0.0/20"]) {
    const all = [...freeAddresses(pool(cidr), nothing)];
    const size = 2 ** (32 - parseSubnet(cidr).length);
    assertEquals(all.length, size - 2);
    assertEquals(all[0], parseSubnet(cidr).base + 1);
    assertEquals(all.at(-1), parseSubnet(cidr).base + size - 2);
  }
});

Deno.test("the gateway is never given, wherever it is", () => {
  for (const gateway of ["11.1.0.1", "11.1.0.100", "11.1.0.254"]) {
    const one = pool("11.1.0.0/24", { gateway });
    const all = [...freeAddresses(one, nothing)];
    assert(!all.includes(parseAddress(gateway)));
    assertEquals(all.length, 253);
    assertEquals(refusalOf(one, parseAddress(gateway)), "it is the gateway");
  }
});

const reasons: readonly { address: string; want: string | undefined }[] = [
  { address: "11.1.1.0", want: "it is outside 11.1.0.0/24" },
  { address: "11.0.255.255", want: "it is outside 11.1.0.0/24" },
  { address: "11.1.0.0", want: "it is the network address of 11.1.0.0/24" },
  { address: "11.1.0.255", want: "it is the broadcast address of 11.1.0.0/24" },
  { address: "11.1.0.254", want: "it is the gateway" },
  { address: "11.1.0.10", want: "it is reserved" },
  { address: "11.1.0.1", want: undefined },
  { address: "11.1.0.200", want: undefined },
];

for (const { address, want } of reasons) {
  Deno.test(`refusalOf() says of ${address}: ${want ?? "nothing"}`, () => {
    const one = pool("11.1.0.0/24", {
      gateway: "11.1.0.254",
      reserve: ["11.1.0.10-11.1.0.20"],
      allocRange: "11.1.0.30-11.1.0.40",
    });
    assertEquals(refusalOf(one, parseAddress(address)), want);
  });
}

Deno.test("lowestFreeAddress() faults with the pool's state when it is full", () => {
  const one = pool("11.1.0.0/24", { gateway: "11.1.0.254" });
  const fault = assertThrows(() => lowestFreeAddress(one, () => true), Fault);
  assertEquals(fault.code, "exhausted");
  assertEquals(
    fault.message,
    "pool 11.1.0.0/24 of tenant-one/orange is full: 253 of 253 addresses in use; " +
      'see "k8contivnet ipam show tenant-one/orange"',
  );
});

Deno.test("lowestFreeAddress() goes on from the hint, then from the lowest", () => {
  const one = pool("11.1.0.0/24");
  const used = new Set(["11.1.0.7", "11.1.0.8"].map(parseAddress));
  const lowest = (start: string) =>
    addressToText(lowestFreeAddress(one, (n) => used.has(n), parseAddress(start)));
  assertEquals(lowest("11.1.0.7"), "11.1.0.9");
  for (let n = 9; n < 256; n++) used.add(parseAddress(`11.1.0.${n}`));
  assertEquals(lowest("11.1.0.7"), "11.1.0.1");
});

Deno.test("lowestFreeAddress() returns no address twice, and finds a released one again", () => {
  const step = fc.oneof(fc.constant("take"), fc.nat(20));
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const one = pool("11.1.0.0/28", { gateway: "11.1.0.14" });
    const used = new Set<number>();
    for (const act of steps) {
      if (typeof act === "number") {
        const released = [...used][act];
        if (released === undefined) continue;
        used.delete(released);
        for (const lower of freeAddresses(one, (n) => used.has(n))) {
          assert(lower <= released);
          break;
        }
      } else if (used.size === poolSize(one)) {
        assertThrows(() => lowestFreeAddress(one, (n) => used.has(n)), Fault, "13 of 13");
      } else {
        const taken = lowestFreeAddress(one, (n) => used.has(n));
        assert(!used.has(taken));
        used.add(taken);
      }
    }
  }));
});

Deno.test("freeAddresses() returns 10,000 of a /16 in less than 200 ms", () => {
  const used = new Set<number>();
  const started = performance.now();
  const free = freeAddresses(pool("11.1.0.0/16"), (address) => used.has(address));
  for (let n = 0; n < 10_000; n++) used.add(free.next().value as number);
  assert(performance.now() - started < 2_000);
  assertEquals(used.size, 10_000);
});

Deno.test("parseAddressRange() reads ranges and single addresses, and refuses the rest", () => {
  assertEquals(addressRangeToText(parseAddressRange("11.1.0.1 - 11.1.0.9")), "11.1.0.1-11.1.0.9");
  assertEquals(addressRangeToText(parseAddressRange("11.1.0.1")), "11.1.0.1");
  for (const text of ["", "-", "11.1.0.9-11.1.0.1", "11.1.0.1-11.1.0.2-11.1.0.3", "11.1.0.0/24"]) {
    const fault = assertThrows(() => parseAddressRange(text), Fault);
    assertStringIncludes(fault.message, "is not a valid ");
  }
});
