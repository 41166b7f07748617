import { assertEquals } from "@std/assert";
import { BurstSizes } from "../../../../lib/agent/pods/burst_sizes.ts";

Deno.test("BurstSizes counts set-ups that come within 5 s, by network, and remembers the largest burst for 10 min", () => {
  const sizes = new BurstSizes();
  const burst = (network: string, count: number, atMs: number) => {
    for (let n = 0; n < count; n++) sizes.note(network, atMs + n);
  };
  assertEquals(sizes.of("red", 0), 0);
  burst("red", 50, 1_000);
  burst("blue", 2, 1_000);
  assertEquals([sizes.of("red", 2_000), sizes.of("blue", 2_000)], [50, 2]);
  burst("red", 10, 6_500);
  assertEquals(sizes.of("red", 7_000), 50);
  burst("red", 60, 20_000);
  assertEquals(sizes.of("red", 619_999), 60);
  assertEquals(sizes.of("red", 620_000), 0);
  burst("red", 1, 700_000);
  assertEquals(sizes.of("red", 700_001), 1);
});
