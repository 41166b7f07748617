import { assertEquals } from "@std/assert";
import { whyUnsupported } from "../../../../lib/agent/policy/unsupported_rules.ts";

const RULE = { Id: "1", Direction: "in", Action: "allow" };

const cases: readonly (readonly [more: Readonly<Record<string, unknown>>, want?: string])[] = [
  [{}],
  [{ Priority: 100, Protocol: "tcp", Port: 65_535, FromGroup: "g" }],
  [{ Protocol: "255" }],
  [{ Direction: "out", ToIpAddress: "10.0.0.0/8" }],
  [{ Until: "2030" }, "has a field Until"],
  [{ Direction: "both" }, "has no known Direction"],
  [{ Direction: undefined }, "has no known Direction"],
  [{ Action: "log" }, "has no known Action"],
  [{ Priority: 0 }, "has no known Priority"],
  [{ Priority: 101 }, "has no known Priority"],
  [{ Priority: 1.5 }, "has no known Priority"],
  [{ Protocol: "sctp" }, "has no known Protocol"],
  [{ Protocol: "256" }, "has no known Protocol"],
  [{ Protocol: 6 }, "has no known Protocol"],
  [{ Protocol: "tcp", Port: 65_536 }, "has no known Port"],
  [{ Protocol: "tcp", Port: "80" }, "has no known Port"],
  [{ Port: 80 }, "has a Port of no protocol"],
  [{ Protocol: "icmp", Port: 80 }, "has a Port of no protocol"],
  [{ ToGroup: "g" }, "has a To side"],
  [{ Direction: "out", FromGroup: "g" }, "has a From side"],
  [{ FromGroup: 7 }, "has no known From side"],
  [{ FromGroup: "g", FromNetwork: "n" }, "has more than one From side"],
];

for (const [more, want] of cases) {
  Deno.test(`whyUnsupported() of ${JSON.stringify(more)}: ${want ?? "supported"}`, () => {
    assertEquals(whyUnsupported({ ...RULE, ...more }), want);
  });
}
