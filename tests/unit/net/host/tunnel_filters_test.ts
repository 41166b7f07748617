// What is said of rules of the packet filter, as `nft -j` prints them.

import { assertEquals } from "@std/assert";
import { tableOf } from "../../../../lib/net/host/nft_rules.ts";
import { tunnelFiltersOf } from "../../../../lib/net/host/tunnel_filters.ts";

const TABLE = { family: "inet", table: "f" };

const match = (left: object, right: unknown, op = "==") => ({ match: { op, left, right } });
const payload = (protocol: string, field: string) => ({ payload: { protocol, field } });
const meta = (key: string) => ({ meta: { key } });
const ct = (key: string) => ({ ct: { key } });

const ACCEPT = { accept: null };
const DROP = { drop: null };
const RETURN = { return: null };
const DPORT = payload("udp", "dport");
const PORT = match(DPORT, 4789);
const FROM_TEN = match(payload("ip", "saddr"), { prefix: { addr: "10.0.0.0", len: 8 } });
const COUNTER = { counter: { packets: 0, bytes: 0 } };
const REJECT = { reject: { type: "icmpx", expr: "admin-prohibited" } };
const CONNTRACK = { xt: { type: "match", name: "conntrack" } };
const ESTABLISHED = match(ct("state"), ["established", "related"], "in");

type Rules = readonly (readonly object[])[];

/** A chain of the input with this policy and these rules, and other chains. */
interface Filter {
  readonly policy?: string;
  readonly rules: Rules;
  readonly chains?: Readonly<Record<string, Rules>>;
  readonly elements?: Readonly<Record<string, readonly unknown[]>>;
  readonly device?: string | undefined;
}

function verdictsOn({ policy = "accept", rules, chains = {}, elements = {}, ...more }: Filter) {
  const device = "device" in more ? more.device : "eth2";
  const base = { ...TABLE, name: "in", type: "filter", hook: "input", policy };
  const table = tableOf([
    { chain: base },
    ...Object.keys(chains).map((name) => ({ chain: { ...TABLE, name } })),
    ...Object.entries(elements).map(([name, elem]) => ({ set: { name, elem } })),
    ...Object.entries({ in: rules, ...chains }).flatMap(([chain, all]) =>
      all.map((expr) => ({ rule: { chain, expr } }))
    ),
  ]);
  return tunnelFiltersOf(table, { device, port: 4789 });
}

const SURE: Readonly<Record<string, Filter>> = {
  "a rule that drops the port": { rules: [[PORT, COUNTER, DROP]] },
  "a rule that rejects a range with the port": {
    rules: [[match(DPORT, { set: [53, { range: [4000, 5000] }] }), REJECT]],
  },
  "a rule that drops the ports of a set": {
    rules: [[match(meta("l4proto"), { set: ["tcp", "udp"] }), {
      match: { op: "==", left: payload("th", "dport"), right: "@ports" },
    }, DROP]],
    elements: { ports: [{ elem: { val: 4789, comment: "tunnels" } }] },
  },
  "a rule that drops the port from all links but the loopback": {
    rules: [[match(meta("iifname"), "lo", "!="), PORT, DROP]],
  },
  "a policy, behind rules for other packets": {
    policy: "drop",
    rules: [
      [match(meta("iif"), "lo"), ACCEPT],
      [{
        vmap: {
          key: ct("state"),
          data: { set: [["established", ACCEPT], ["related", ACCEPT], ["invalid", DROP]] },
        },
      }],
      [ESTABLISHED, ACCEPT],
      [match(ct("status"), "dnat", "in"), ACCEPT],
      [match(payload("tcp", "dport"), 22), ACCEPT],
      [match(payload("tcp", "dport"), 22, "!="), ACCEPT],
      [match(meta("l4proto"), { set: ["icmp", "ipv6-icmp"] }), ACCEPT],
      [match(meta("nfproto"), "ipv6"), ACCEPT],
      [match(meta("pkttype"), "broadcast"), ACCEPT],
      [match(DPORT, { set: [53, { range: [5000, 6000] }] }), ACCEPT],
      [match(DPORT, 4789, "!="), ACCEPT],
      [match(meta("iifname"), "eth1"), ACCEPT],
      [match(meta("iifname"), "wg*"), ACCEPT],
    ],
  },
  "a rule for all packets at the end of a chain of zones": {
    rules: [[ESTABLISHED, ACCEPT], [{ jump: { target: "zones" } }], [REJECT]],
    chains: {
      zones: [[match(meta("iifname"), "eth2"), { goto: { target: "public" } }], [ACCEPT]],
      public: [[match(payload("tcp", "dport"), 22), ACCEPT]],
    },
  },
  "a chain that is called for the port": {
    rules: [[{ vmap: { key: DPORT, data: { set: [[4789, { jump: { target: "no" } }]] } } }]],
    chains: { no: [[DROP]] },
  },
};

const DOUBTFUL: Readonly<Record<string, Filter>> = {
  "a rule that drops the port from some addresses": { rules: [[FROM_TEN, PORT, DROP]] },
  "a rule that drops the port above a rate": {
    rules: [[PORT, { limit: { rate: 10, per: "second", inv: true } }, DROP]],
  },
  "a rule that drops the port of new connections": {
    rules: [[match(ct("state"), "new", "in"), PORT, DROP]],
  },
  "a rule that drops the port on one link, of any": {
    rules: [[match(meta("iifname"), "eth1"), PORT, DROP]],
    device: undefined,
  },
  "a policy, behind a rule of iptables that cannot be read": {
    policy: "drop",
    rules: [[match(meta("iifname"), "lo"), ACCEPT], [CONNTRACK, COUNTER, ACCEPT]],
    device: undefined,
  },
  "a last rule, behind one of iptables that cannot be read": {
    rules: [[CONNTRACK, ACCEPT], [REJECT]],
  },
  "a chain that drops the port from some addresses": {
    rules: [[FROM_TEN, { jump: { target: "no" } }]],
    chains: { no: [[PORT, DROP]] },
  },
  "a rule behind one that some packets return at": {
    rules: [[{ jump: { target: "no" } }]],
    chains: { no: [[FROM_TEN, RETURN], [PORT, DROP]] },
  },
};

const FINE: Readonly<Record<string, Filter>> = {
  "no rules": { rules: [] },
  "the port accepted from some addresses, before it is dropped": {
    rules: [[FROM_TEN, PORT, ACCEPT], [PORT, DROP]],
  },
  "the port dropped on another link": { rules: [[match(meta("iif"), "eth1"), PORT, DROP]] },
  "a range of ports accepted": {
    policy: "drop",
    rules: [[match(DPORT, { range: [4000, 5000] }), ACCEPT]],
  },
  "addresses accepted": { policy: "drop", rules: [[FROM_TEN, ACCEPT]] },
  "links accepted by the start of their names": {
    policy: "drop",
    rules: [[match(meta("iifname"), "eth*"), ACCEPT]],
  },
  "the port accepted by iptables, with a state that cannot be read": {
    policy: "drop",
    rules: [[PORT, CONNTRACK, ACCEPT]],
  },
  "the port accepted by an extension of an older iptables": {
    policy: "drop",
    rules: [[match(payload("ip", "protocol"), "udp"), { xt: { name: "udp" } }, ACCEPT]],
  },
  "the port accepted in a chain that is called": {
    policy: "drop",
    rules: [[{ jump: { target: "user" } }]],
    chains: { user: [[PORT, ACCEPT]] },
  },
  "a rule that the packet returns before": {
    rules: [[{ jump: { target: "local" } }], [PORT, ACCEPT]],
    chains: {
      local: [[match({ fib: { result: "type", flags: ["daddr"] } }, "local"), RETURN], [DROP]],
    },
  },
  "rules that drop some other packets": {
    rules: [
      [match(ct("state"), "invalid", "in"), DROP],
      [match(payload("ip", "saddr"), "@bad"), DROP],
      [match(payload("tcp", "flags"), "syn", "in"), DROP],
      [match(DPORT, 53), DROP],
      [{ vmap: { key: DPORT, data: "@verdicts" } }],
    ],
  },
  "a policy, behind a map of verdicts that is filled elsewhere": {
    policy: "drop",
    rules: [[{ vmap: { key: payload("ip", "saddr"), data: "@verdicts" } }]],
  },
};

for (const [what, filter] of Object.entries(SURE)) {
  Deno.test(`it is said that no tunnel works with ${what}`, () => {
    const found = verdictsOn(filter);
    assertEquals(found.map(({ isSure }) => isSure), [true]);
    const dropped = filter.policy === "drop" || "zones" in (filter.chains ?? {})
      ? "what it does not know"
      : "UDP port 4789";
    assertEquals(
      found[0]?.what,
      `this host's packet filter drops ${dropped} (chain inet f in): no tunnel works`,
    );
  });
}

for (const [what, filter] of Object.entries(DOUBTFUL)) {
  Deno.test(`it is said that tunnels may not work with ${what}`, () => {
    const found = verdictsOn(filter);
    assertEquals(found.map(({ isSure }) => isSure), [false]);
    assertEquals(
      found[0]?.what,
      "this host's packet filter may drop UDP port 4789 (chain inet f in): tunnels may not work",
    );
  });
}

for (const [what, filter] of Object.entries(FINE)) {
  Deno.test(`nothing is said of a packet filter with ${what}`, () =>
    assertEquals(verdictsOn(filter), []));
}
