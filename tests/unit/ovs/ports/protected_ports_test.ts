import { assertEquals } from "@std/assert";
import { BASE_FLOWS } from "../../../../lib/ovs/bridge/bridge.ts";
import { expectedFlows, protectedPorts } from "../../../../lib/ovs/ports/protected_ports.ts";
import type { PortRow } from "../../../../lib/ovs/switch.ts";

const MAC = "02:02:0a:09:00:01";
const row = (more: Partial<PortRow>): PortRow => ({ name: "cv1", externalIds: {}, ...more });

/** Returns the protected ports of a cache with one row. */
function portsOf(one: PortRow, requested?: number) {
  const port = { uuid: "u", row: one, ...(requested !== undefined && { requested }) };
  return protectedPorts({ ports: () => [one], port: () => port });
}

Deno.test("a port is protected under the number that it requested, else under the one that it has", () => {
  const whole = row({ mac: MAC, addresses: ["10.9.0.1"], tag: 11, ofport: 7 });
  const want = { name: "cv1", mac: MAC, addresses: ["10.9.0.1"], tag: 11 };
  assertEquals(portsOf(whole), [{ ...want, ofport: 7 }]);
  assertEquals(portsOf(whole, 5), [{ ...want, ofport: 5 }]);
});

for (
  const [what, one] of [
    ["a MAC", row({ addresses: ["10.9.0.1"], ofport: 7 })],
    ["addresses", row({ mac: MAC, ofport: 7 })],
    ["a number", row({ mac: MAC, addresses: ["10.9.0.1"] })],
  ] as const
) {
  Deno.test(`a port without ${what} has no anti-spoofing flows`, () => {
    assertEquals(portsOf(one), []);
  });
}

Deno.test("expectedFlows() counts the base flows and those of each port", () => {
  assertEquals(expectedFlows([]), BASE_FLOWS.length);
  const [port] = portsOf(row({ mac: MAC, addresses: ["10.9.0.1", "10.9.0.2"], ofport: 7 }));
  const two = expectedFlows([port!, port!]) - BASE_FLOWS.length;
  assertEquals(two, 2 * (expectedFlows([port!]) - BASE_FLOWS.length));
});
