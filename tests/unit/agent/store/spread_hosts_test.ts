import { assert, assertEquals } from "@std/assert";
import { pick, skipOf } from "../../../../lib/agent/store/spread_hosts.ts";

Deno.test("skipOf() skips nothing at first, and after conflicts each host another number", () => {
  assertEquals(skipOf("host1", 0, 9), 0);
  const skips = ["host1", "host2", "host3", "host4"].map((host) => skipOf(host, 3, 9));
  assert(new Set(skips).size > 2, skips.join());
  assert(skips.every((skip) => skip >= 0 && skip < 64), skips.join());
});

Deno.test("skipOf() spreads a crowd of hosts at their first try, so that few of them want one address", () => {
  const hosts = Array.from({ length: 5_000 }, (_, n) => `host${n}`);
  const places = new Map<number, number>();
  for (const host of hosts) {
    const place = skipOf(host, 0, hosts.length);
    places.set(place, (places.get(place) ?? 0) + 1);
  }
  // Each place has one winner. By chance alone 3,935 of 10,000 places would be taken.
  assert(places.size > 3_600, `${places.size} places`);
  assert([...places.keys()].every((place) => place < 10_000));
  assertEquals(hosts.map((host) => skipOf(host, 0, 63)).find((skip) => skip > 0), undefined);
});

Deno.test("pick() returns an element behind those that are skipped, modulo the length", () => {
  assertEquals([0, 1, 2, 3, 7].map((skip) => pick(["a", "b", "c"], skip)), [
    "a",
    "b",
    "c",
    "a",
    "b",
  ]);
  assertEquals(pick([], 3), undefined);
});
