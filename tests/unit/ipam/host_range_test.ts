import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  addressesOfHost,
  DEFAULT_HOST_RANGE,
  freeAlias,
  hairpinOf,
  parseHostRange,
} from "../../../lib/ipam/host_range.ts";
import {
  addressToText,
  overlap,
  parseAddress,
  subnetHas,
  subnetHolds,
  subnetToText,
} from "../../../lib/ipam/subnets.ts";
import { Fault } from "../../../lib/util/errors.ts";

Deno.test("parseHostRange() cuts the default range into quarters of /16", () => {
  const { whole, aliases, nodes, nats, lastHost } = parseHostRange(DEFAULT_HOST_RANGE);
  assertEquals(
    [whole, aliases, nodes, nats].map(subnetToText),
    ["100.64.0.0/14", "100.64.0.0/16", "100.65.0.0/16", "100.66.0.0/16"],
  );
  assertEquals(lastHost, 65_534);
});

Deno.test("parseHostRange() refuses ranges that are too small or too large", () => {
  assertEquals(parseHostRange("10.0.0.0/22").lastHost, 254);
  for (const text of ["10.0.0.0/23", "0.0.0.0/7", "100.64.0.0/33", "100.64.0.1/14", "x"]) {
    assertThrows(() => parseHostRange(text), Fault);
  }
});

Deno.test("addressesOfHost() counts hosts from 1", () => {
  const range = parseHostRange(DEFAULT_HOST_RANGE);
  assertEquals(addressesOfHost(range, 1), { node: "100.65.0.1", nat: "100.66.0.1" });
  assertEquals(addressesOfHost(range, 65_534), { node: "100.65.255.254", nat: "100.66.255.254" });
});

Deno.test("freeAlias() returns the holder's own one, or the next that is free, from the lower half only", () => {
  const range = parseHostRange("10.0.0.0/22");
  const own = freeAlias(range, "t/blue 10.9.0.1", () => false);
  assertEquals(own, freeAlias(range, "t/blue 10.9.0.1", () => false));
  const all = new Set<string>();
  for (let n = 0; n < 126; n++) {
    const alias = freeAlias(range, "t/blue 10.9.0.1", (one) => all.has(one)) ?? "";
    const number = parseAddress(alias) - 0x0a000000;
    assertEquals([number >= 1, number <= 126, all.has(alias)], [true, true, false], alias);
    all.add(alias);
  }
  assertEquals(freeAlias(range, "t/blue 10.9.0.1", (one) => all.has(one)), undefined);
});

Deno.test("freeAlias(): holders rarely meet", () => {
  const range = parseHostRange(DEFAULT_HOST_RANGE);
  const holders = Array.from(
    { length: 1_000 },
    (_, n) => `t${n % 7}/blue 10.9.${n >> 8}.${n % 256}`,
  );
  const aliases = new Set(holders.map((one) => freeAlias(range, one, () => false)));
  assertEquals(aliases.size > 970, true, `${aliases.size}`);
});

Deno.test("hairpinOf() returns an address of the upper half, and refuses what is not an alias", () => {
  const range = parseHostRange(DEFAULT_HOST_RANGE);
  assertEquals(hairpinOf(range, "100.64.0.1"), "100.64.128.1");
  assertEquals(hairpinOf(range, "100.64.127.254"), "100.64.255.254");
  for (const alias of ["100.64.128.1", "100.65.0.1", "10.0.0.1"]) {
    assertThrows(() => hairpinOf(range, alias), Fault, "is not an alias of a pod");
  }
});

Deno.test("addresses of one range are all different, and all in it", () => {
  fc.assert(fc.property(
    fc.integer({ min: 8, max: 22 }),
    fc.nat(),
    fc.nat(),
    fc.array(fc.nat(40), { maxLength: 20 }),
    (length, place, at, taken) => {
      const base = (10 + place % 80) * 2 ** 24;
      const range = parseHostRange(`${addressToText(base)}/${length}`);
      const number = 1 + at % range.lastHost;
      const { node, nat } = addressesOfHost(range, number);
      const used = new Set(taken.map((one) => addressToText(range.aliases.base + one)));
      const alias = freeAlias(range, `t/n ${at}`, (one) => used.has(one)) ?? "";
      assertEquals(used.has(alias), false);
      const all = [node, nat, alias, hairpinOf(range, alias)];
      assertEquals(new Set(all).size, 4);
      assertEquals(all.every((one) => subnetHas(range.whole, parseAddress(one))), true);
      const parts = [range.aliases, range.nodes, range.nats];
      for (const part of parts) {
        assertEquals(subnetHolds(range.whole, part), true);
        assertEquals(parts.filter((other) => overlap(other, part)).length, 1);
      }
    },
  ));
});
