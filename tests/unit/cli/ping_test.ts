// `ping`: which address is meant, what is printed, and what is said if nothing answers.

import { assertEquals, assertThrows } from "@std/assert";
import type { TraceAnswer } from "../../../lib/agent/api/diagnosis_requests.ts";
import { pingResultOf } from "../../../lib/agent/diagnose/ping_output.ts";
import { parseCount } from "../../../lib/cli/count.ts";
import { addressOf, resultLine, stageOf } from "../../../lib/cli/ping.ts";
import { Fault } from "../../../lib/util/errors.ts";

const TRACE: TraceAnswer = {
  ...{ source: "t/app (10.1.0.1)", destination: "t/web (10.1.0.2)", isAgreed: true },
  model: { isAllowed: true, by: "rule 1" },
  switch: { isAllowed: true, by: "its flows", directions: ["out"] },
};

Deno.test("the summaries of iputils and BusyBox are read", () => {
  const head =
    "PING 10.1.0.2 (10.1.0.2) 56(84) bytes of data.\n\n--- 10.1.0.2 ping statistics ---\n";
  assertEquals(
    pingResultOf(
      `${head}3 packets transmitted, 2 received, 33.3% packet loss, time 401ms\n` +
        "rtt min/avg/max/mdev = 0.031/0.042/0.061/0.013 ms",
    ),
    { sent: 3, received: 2, minMs: 0.031, averageMs: 0.042, maxMs: 0.061 },
  );
  assertEquals(
    pingResultOf(
      `${head}3 packets transmitted, 3 packets received, 0% packet loss\n` +
        "round-trip min/avg/max = 0.1/0.2/0.3 ms",
    ),
    { sent: 3, received: 3, minMs: 0.1, averageMs: 0.2, maxMs: 0.3 },
  );
  assertEquals(
    pingResultOf(`${head}3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 2s`),
    { sent: 3, received: 0 },
  );
  assertEquals(pingResultOf("ping: connect: Network is unreachable"), undefined);
});

Deno.test("of several addresses, that in a common network is taken", () => {
  const interfaces = [{ name: "eth0", network: "t/blue", addresses: [] }];
  const pod = { networks: ["t/red", "t/blue"], ips: ["10.1.0.1", "10.2.0.1"] };
  assertEquals(addressOf(pod, { interfaces }), "10.2.0.1");
  assertEquals(addressOf(pod, { interfaces: [] }), "10.1.0.1");
  assertEquals(addressOf({ networks: [], ips: [] }, { interfaces }), undefined);
});

Deno.test("the stage is the first that denies the packet", () => {
  const denied = (by: string) => ({ isAllowed: false, by });
  assertEquals(stageOf(TRACE), undefined);
  assertEquals(stageOf({ ...TRACE, model: denied("rule 2") }), "policies: rule 2");
  assertEquals(
    stageOf({ ...TRACE, switch: { ...denied("table 9"), directions: ["in"] } }),
    "switch: table 9",
  );
  const apart = "no common network: one is in t/a, the other in u/b";
  assertEquals(stageOf({ ...TRACE, isApart: true, model: denied(apart) }), apart);
  const stages = [
    { name: "policies" as const, isAllowed: true, by: "" },
    { name: "host" as const, ...denied("no route") },
    { name: "source" as const, ...denied("later") },
  ];
  assertEquals(stageOf({ ...TRACE, stages }), "host: no route");
});

Deno.test("the result is one line, with times where there are some", () => {
  const end = { pod: "t/web", address: "10.1.0.2" };
  assertEquals(
    resultLine("t/app", end, { sent: 3, received: 3, minMs: 0.1, averageMs: 0.2, maxMs: 0.3 }),
    "t/app to t/web (10.1.0.2): 3 of 3 answered, 0.1/0.2/0.3 ms (min/average/max)",
  );
  assertEquals(
    resultLine("t/app", { address: "10.1.0.2" }, { sent: 3, received: 0 }),
    "t/app to 10.1.0.2: 0 of 3 answered",
  );
});

Deno.test("--count is a number within its range", () => {
  const range = { standard: 3, most: 1_000 };
  assertEquals([parseCount(undefined, range), parseCount("1000", range)], [3, 1_000]);
  for (const text of ["0", "-1", "1001", "x", "", "1e2", "1.5"]) {
    assertThrows(() => parseCount(text, range), Fault, "out of range (1-1000)");
  }
});
