// Rules as nft 1.0.6 prints those of kube-proxy 1.20 (iptables) and 1.31 (nftables).

import { assertEquals } from "@std/assert";
import { type Destination, translationOf } from "../../../../lib/net/host/nat_rules.ts";

const match = (left: object, right: unknown) => ({ match: { op: "==", left, right } });
const payload = (protocol: string, field: string) => ({ payload: { protocol, field } });
const rule = (table: string, chain: string, ...expr: object[]) => ({
  rule: { family: "ip", table, chain, handle: 5, expr },
});

const RULESET = JSON.stringify({
  nftables: [
    { metainfo: { version: "1.0.6" } },
    { table: { family: "ip", name: "nat" } },
    rule(
      ...["filter", "KUBE-SERVICES"] as const,
      match(payload("ip", "daddr"), "10.96.0.30"),
      { xt: { type: "target", name: "REJECT" } },
    ),
    rule(
      ...["nat", "KUBE-SERVICES"] as const,
      match({ meta: { key: "l4proto" } }, "tcp"),
      match(payload("ip", "daddr"), "10.96.0.20"),
      { xt: { type: "match", name: "comment" } },
      match(payload("tcp", "dport"), 80),
      { counter: { packets: 0, bytes: 0 } },
      { jump: { target: "KUBE-SVC-A" } },
    ),
    {
      map: {
        ...{ family: "ip", table: "kube-proxy", name: "service-ips", map: "verdict" },
        elem: [[{ concat: ["10.96.0.40", "udp", 53] }, { goto: { target: "service-B" } }]],
      },
    },
  ],
});

const to = (address: string, protocol: Destination["protocol"], port: number) =>
  translationOf(RULESET, { address, protocol, port });

Deno.test("translationOf() finds the rule or the map that names a service", () => {
  assertEquals(to("10.96.0.20", "tcp", 80), "chain KUBE-SERVICES of table nat");
  assertEquals(to("10.96.0.40", "udp", 53), "map service-ips of table kube-proxy");
  assertEquals(to("10.96.0.20", "tcp", 81), undefined, "another port");
  assertEquals(to("10.96.0.20", "udp", 80), undefined, "another protocol");
  assertEquals(to("10.96.0.40", "tcp", 53), undefined, "another protocol of a map");
  assertEquals(to("10.96.0.30", "tcp", 80), undefined, "a rule that rejects");
});
