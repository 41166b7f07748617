// What the log says of dropped packets.

import { assertEquals } from "@std/assert";
import { Compiler } from "../../../../lib/agent/policy/compiler.ts";
import { intervalReports, logDrops } from "../../../../lib/agent/policy/drop_log.ts";
import {
  describeDrop,
  type Drop,
  dropOf,
  keyOf,
  reportDrop,
} from "../../../../lib/agent/policy/drop_message.ts";
import { EventLog } from "../../../../lib/agent/event_log.ts";
import type { PacketIn } from "../../../../lib/ovs/openflow/packet_in.ts";
import { parseAddress } from "../../../../lib/ipam/subnets.ts";
import { rulesOfTenant } from "../../../../lib/policy/contiv.ts";
import { rulesOfNetworkPolicy } from "../../../../lib/policy/network_policy.ts";

const [WEB, APP, CLIENT_PORT] = ["10.1.1.1", "10.1.1.2", 8080];

/** A host with two tenants that have the same addresses; in t contiv guards web, in u Kubernetes. */
function compilerWith(...podNames: string[]): Compiler {
  const compiler = new Compiler();
  const [web = "web", app = "app"] = podNames;
  for (const [tenant, tag] of [["t", 101], ["u", 102]] as const) {
    for (const [name, address, here] of [[web, WEB, true], [app, APP, false]] as const) {
      compiler.model.setEndpoint({
        ...{ id: `${tenant}/n/${name}`, tenant, address: parseAddress(address), labels: {} },
        ...{ network: `${tenant}/n`, ports: [], group: name === web ? "web" : undefined },
        pod: { namespace: tenant, name },
        here: here ? { tag, mac: "02:02:0a:01:01:01" } : undefined,
      });
    }
  }
  const contiv = rulesOfTenant({
    ...{ tenant: "t", subnets: {}, groups: [{ name: "web", policies: ["p1"] }] },
    policies: [{
      name: "p1",
      rules: [{
        ...{ id: "7", priority: 1, direction: "in", protocol: "tcp", port: 0 },
        action: "deny",
      }],
    }],
  });
  compiler.model.setRules("contiv t", contiv.rules);
  const policy = { namespace: "u", name: "closed", podSelector: {} };
  compiler.model.setRules("kubernetes u/closed", rulesOfNetworkPolicy(policy).rules);
  return compiler;
}

function messageOf(compiler: Compiler | undefined, dropped: Drop): string {
  return describeDrop(compiler, dropped).message;
}

function numberOf({ flows }: Compiler, name: string): number {
  return [...flows.policies].find(([, { policy }]) => policy === name)![0];
}

function drop(compiler: Compiler, policy: string, more: Partial<Drop> = {}): Drop {
  return {
    ...{ policyNumber: numberOf(compiler, policy), tag: policy === "t/p1" ? 101 : 102 },
    ...{ source: parseAddress(APP), destination: parseAddress(WEB) },
    ...{ protocol: 6, port: CLIENT_PORT },
    ...more,
  };
}

Deno.test("describeDrop() names both pods, the policy and the rule that denied", () => {
  const compiler = compilerWith();
  assertEquals(
    messageOf(compiler, drop(compiler, "t/p1")),
    "tcp t/app 10.1.1.2 -> t/web 10.1.1.1:8080 by contiv policy t/p1 (rule 7 of group web)",
  );
});

Deno.test("describeDrop() says of a default deny which policy isolates the pod, by the tenant of the tag", () => {
  const compiler = compilerWith();
  assertEquals(
    messageOf(compiler, drop(compiler, "u/closed", { protocol: 17, port: 53 })),
    "udp u/app 10.1.1.2 -> u/web 10.1.1.1:53 by kubernetes policy u/closed (isolated for ingress)",
  );
});

Deno.test("describeDrop() says what it knows: addresses without a pod, protocols without ports, policies that went", () => {
  const compiler = compilerWith();
  const source = parseAddress("192.0.2.7");
  assertEquals(
    messageOf(compiler, drop(compiler, "u/closed", { source, protocol: 1, port: 0 })),
    "icmp 192.0.2.7 -> u/web 10.1.1.1 by kubernetes policy u/closed (isolated for ingress)",
  );
  assertEquals(
    messageOf(compiler, drop(compiler, "u/closed", { protocol: 47, port: 0 })),
    "protocol 47 u/app 10.1.1.2 -> u/web 10.1.1.1 by kubernetes policy u/closed (isolated for ingress)",
  );
  // The model would say something else by now: only the policy is named.
  assertEquals(
    messageOf(compiler, drop(compiler, "t/p1", { protocol: 17 })),
    "udp t/app 10.1.1.2 -> t/web 10.1.1.1:8080 by contiv policy t/p1",
  );
  const gone = drop(compiler, "t/p1", { policyNumber: 1, tag: 9 });
  assertEquals(
    messageOf(compiler, gone),
    "tcp 10.1.1.2 -> 10.1.1.1:8080 by a policy that no longer exists",
  );
  assertEquals(
    messageOf(undefined, gone),
    "tcp 10.1.1.2 -> 10.1.1.1:8080 by a policy that no longer exists",
  );
});

Deno.test("describeDrop() is one line, whatever a pod is called", () => {
  const compiler = compilerWith("web\n2026 error forged", "app\r\u001b[2J");
  const words = messageOf(compiler, drop(compiler, "u/closed"));
  assertEquals(/\p{Cc}/u.test(words), false, JSON.stringify(words));
});

Deno.test("dropOf() reads registers of the tables; absent ones are 0", () => {
  const packet = {
    cookie: 0x6b38_0006_7fff_ffffn,
    registers: new Map([[0, 101], [1, 0xffff_ffff], [3, 0x84_ffff], [5, 0x7fff_ffff]]),
  };
  const seen = dropOf(packet);
  assertEquals(seen, {
    ...{ policyNumber: 0x7fff_ffff, tag: 101, source: 0xffff_ffff, destination: 0 },
    ...{ protocol: 132, port: 0xffff },
  });
  assertEquals(keyOf(seen), "2147483647,101,4294967295,0,132,65535");
});

const WEBS = { pod: "t/web", network: "t/n", address: WEB };

Deno.test("reportDrop() says which pod's policy dropped a packet, and which the other one is", () => {
  const compiler = compilerWith();
  const report = reportDrop(compiler, drop(compiler, "t/p1"));
  assertEquals(report, {
    message: `dropped ${messageOf(compiler, drop(compiler, "t/p1"))}`,
    fields: { ...WEBS, peer: "t/app" },
  });
  const fields = (policy: string, more: Partial<Drop>) =>
    reportDrop(compiler, drop(compiler, policy, more)).fields;
  const [app, web] = [parseAddress(APP), parseAddress(WEB)];
  const outside = parseAddress("192.0.2.7");
  assertEquals(fields("t/p1", { source: outside }), { ...WEBS, peer: undefined });
  // No rule is certain: the pod of this host, whichever end it is.
  assertEquals(fields("t/p1", { protocol: 17 }), { ...WEBS, peer: "t/app" });
  const answered = { protocol: 17, source: web, destination: app };
  assertEquals(fields("t/p1", answered), { ...WEBS, peer: "t/app" });
  // A rule for what a pod sends: the sender, wherever the other one is.
  const rules = rulesOfNetworkPolicy({
    ...{ namespace: "u", name: "silent", podSelector: {}, policyTypes: ["Egress"] },
  }).rules;
  compiler.model.setRules("kubernetes u/closed", []);
  compiler.model.setRules("kubernetes u/silent", rules);
  assertEquals(fields("u/silent", { source: web, destination: app }), {
    ...{ pod: "u/web", network: "u/n", address: WEB, peer: "u/app" },
  });
});

Deno.test("logDrops() writes lines as they are, and records events with the pods", () => {
  const compiler = compilerWith();
  const lines: string[] = [];
  const events = new EventLog("h1", () => "T");
  const log = {
    info: (line: string, fields = {}) => void lines.push(line + JSON.stringify(fields)),
  };
  const { policyNumber, tag, source, destination, protocol, port } = drop(compiler, "t/p1");
  const packet = {
    ...{ cookie: BigInt(policyNumber), data: new Uint8Array() },
    registers: new Map([[0, tag], [1, source], [2, destination], [3, protocol << 16 | port]]),
  };
  const watch = (_place: unknown, take: (packet: PacketIn) => void) => {
    take(packet);
    take(packet);
    return { [Symbol.dispose]() {} };
  };
  {
    using _logging = logDrops(
      { log, events, policies: { known: compiler } },
      { rundir: "", bridge: "" },
      watch,
    );
  }
  const message = `dropped ${messageOf(compiler, drop(compiler, "t/p1"))}`;
  assertEquals(lines, [`${message}{}`]);
  const event = { at: "T", kind: "drop", host: "h1", ...WEBS, peer: "t/app", message };
  assertEquals(["t/web", "web", "t/app", "app", "drop"].map((name) => events.list(name)), [
    ...[[event], [event], [event], [event], [event]],
  ]);
  assertEquals(events.list("t/other"), []);
});

Deno.test("intervalReports() says how many more, and where that is only the least", () => {
  const report = { message: "dropped tcp a -> b:1 by contiv policy t/p", fields: { pod: "b" } };
  const more = [{ report, count: 17 }];
  assertEquals(intervalReports({ more, others: 0, seen: 18 }), [{
    ...{ message: "dropped tcp a -> b:1 by contiv policy t/p, 17 more in 10 s" },
    fields: { pod: "b" },
  }]);
  assertEquals(intervalReports({ more, others: 900, seen: 1_000 }), [
    {
      message: "dropped tcp a -> b:1 by contiv policy t/p, at least 17 more in 10 s",
      fields: { pod: "b" },
    },
    {
      message: "dropped packets of more kinds than are listed, at least 900 more in 10 s; " +
        "get policies counts all",
      fields: {},
    },
  ]);
});
