import { assertEquals, assertMatch } from "@std/assert";
import { egressFilterOf, type EgressGuard } from "../../../lib/reach/egress_filter.ts";
import { MODEL } from "./example_model.ts";

const DENY = { action: "deny" } as const;
const HTTPS = { protocol: 6, ports: { first: 443, last: 443 } };
const guard = (tag: number, address: string, tiers: EgressGuard["tiers"]): EgressGuard => ({
  ...{ tag, address, tiers },
});

Deno.test("egressFilterOf() is none without a guarded pod that uses services", () => {
  assertEquals(egressFilterOf(MODEL, []), undefined);
  const noService = guard(103, "10.8.8.1", [[DENY]]);
  const unknown = [guard(100, "10.1.1.77", [[DENY]]), guard(7, "10.1.1.1", [[DENY]])];
  assertEquals(egressFilterOf(MODEL, [noService, ...unknown]), undefined);
});

Deno.test("egressFilterOf() has pods by their addresses in the host's stack, one chain for the same rules", () => {
  const filter = egressFilterOf(MODEL, [
    guard(100, "10.1.1.1", [[], [DENY]]),
    guard(100, "10.1.1.2", [[DENY], []]),
    guard(101, "10.1.1.9", [[], [{ action: "allow", blocks: ["192.0.2.0/24"] }, DENY]]),
  ]);
  assertEquals(filter?.elements.guards, [
    "10.1.1.1 : jump pods0",
    "10.1.1.2 : jump pods0",
    "100.64.0.2 : jump pods1",
  ]);
  assertEquals(filter?.elements.service_cidrs, MODEL.serviceCidrs);
  assertEquals(filter?.elements.kept?.includes("10.1.1.0/24 . 10.9.9.0/24"), true);
});

Deno.test("egressFilterOf() writes tiers and rules in their order", () => {
  const { definition = "" } = egressFilterOf(MODEL, [
    guard(100, "10.1.1.1", [
      [{ action: "allow", services: [HTTPS, { protocol: 1 }] }, DENY],
      [{ action: "allow", blocks: ["192.0.2.1/32", "198.51.100.0/24"], services: [HTTPS] }, DENY],
    ]),
  ]) ?? {};
  const chain = (name: string) =>
    new RegExp(`^chain ${name} {\n([^}]*(?:{[^}]*}[^}]*)*)\n}`, "m").exec(definition)?.[1]
      ?.split("\n").map((line) => line.trim());
  assertEquals(chain("pods0"), ["jump pods0_0", "jump pods0_1"]);
  assertEquals(chain("pods0_0"), [
    "tcp dport 443-443 return",
    "meta l4proto 1 return",
    "counter drop",
  ]);
  assertMatch(definition, /ip daddr { 192\.0\.2\.1\/32, 198\.51\.100\.0\/24 } tcp dport 443-443/);
});
