// This host's part of distributed gateways, as an agent in memory makes it.

import { assert, assertEquals } from "@std/assert";
import { keys } from "../../../../lib/intent/records.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { hairpinOf, parseHostRange } from "../../../../lib/ipam/host_range.ts";
import {
  makeHost,
  type MemoryAgent,
  startMemoryAgent,
  startPod,
} from "../../../memory/memory_agent.ts";

const BLUE = {
  ...{ Name: "blue", SubnetCIDR: "10.9.1.0/24", DefaultGw: "10.9.1.254" },
  Endpoints: [{ Container: "web" }],
};
const OPEN = { ...BLUE, GatewayType: "distributed", Reach: ["outside"] };
const EXTERNAL = { ...BLUE, GatewayType: "external", Reach: [] };

const reconcile = ({ agent }: MemoryAgent) => agent.loops.reconcile.reconcileOnce();
const callsOf = ({ host }: MemoryAgent) => [
  ...host.reachSwitch.recorder.calls.map(({ method }) => `switch.${method}`),
  ...host.hostStack.recorder.calls.map(({ method }) => `stack.${method}`),
];
/** Returns what the row of the only pod says of its reach. */
const rowReach = ({ host }: MemoryAgent) => [...host.switch.rows.values()][0]?.reach;

Deno.test("without a distributed gateway nothing is asked, and no number is claimed", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([BLUE]);
  await reconcile(agent);
  await agent.setUp(startPod(agent.host, "web"));
  assertEquals(callsOf(agent), []);
  assertEquals(agent.store.database.documents.has(keys.hostNumber("host1")), false);
});

Deno.test("with one, the first set-up finds port, stack and flows made, and its port has the gateway", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([OPEN]);
  await agent.setUp(startPod(agent.host, "web"));
  const { reachSwitch, hostStack } = agent.host;
  assertEquals(reachSwitch.port?.mac, "02:02:64:41:00:01");
  assertEquals(hostStack.stack?.addresses, ["100.66.0.1", "100.65.0.1"]);
  assertEquals(hostStack.stack?.filter.elements.outside, ["10.9.1.0/24"]);
  assert(reachSwitch.flows.bridge.length > 0);
  assertEquals(rowReach(agent)?.gateway, "10.9.1.254");
  assertEquals(agent.agent.reach.problem, undefined);
});

Deno.test("a further set-up in a network that owns its subnet changes neither flows nor stack", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([{ ...OPEN, Endpoints: [{ Container: "web" }, { Container: "db" }] }]);
  await agent.setUp(startPod(agent.host, "web"));
  agent.host.reachSwitch.recorder.calls.length = 0;
  agent.host.hostStack.recorder.calls.length = 0;
  await agent.setUp(startPod(agent.host, "db"));
  assertEquals(callsOf(agent), []);
});

Deno.test("set-ups of one moment in an aliased network are one change of flows and packet filter", async () => {
  using agent = await startMemoryAgent();
  const pods = Array.from({ length: 20 }, (_, n) => `p${n}`);
  await agent.intents.apply({
    ...{ mode: "add", force: true },
    text: JSON.stringify({
      Tenants: [{
        ...{ Name: "a", DefaultNetType: "vlan", SubnetPool: "10.9.0.0/16", AllocSubnetLen: 24 },
        ...{ Vlans: "300-310", Namespaces: ["red"], Networks: [OPEN] },
      }],
    }),
  });
  await agent.apply([{ ...OPEN, Endpoints: pods.map((Container) => ({ Container })) }]);
  await reconcile(agent);
  const { recorder } = agent.host.hostStack;
  recorder.calls.length = 0;
  const release = recorder.hold("ensure");
  const all = Promise.all(pods.map((name) => agent.setUp(startPod(agent.host, name))));
  while (agent.host.switch.rows.size < pods.length) await new Promise((done) => setTimeout(done));
  release();
  await all;
  const { elements } = agent.host.hostStack.stack!.filter;
  assertEquals([elements.hairpins?.length, new Set(elements.hairpins).size], [20, 20]);
  assertEquals(recorder.argsOf("ensure").length, 2);
});

Deno.test("a running pod follows: a distributed gateway comes, its words change, and it goes", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([BLUE]);
  await agent.setUp(startPod(agent.host, "web"));
  assertEquals(rowReach(agent), undefined);
  await agent.apply([OPEN]);
  await reconcile(agent);
  assertEquals(rowReach(agent)?.hostMac, "02:02:64:41:00:01");
  const open = agent.host.reachSwitch.flows.bridge;
  await agent.apply([{ ...OPEN, Reach: ["host"] }]);
  await agent.agent.loops.fabric.fabric.ensure();
  assert(agent.host.reachSwitch.flows.bridge.length > 0);
  assertEquals(agent.host.hostStack.stack?.filter.elements.outside, []);
  assertEquals(agent.host.hostStack.stack?.filter.elements.host, ["10.9.1.0/24"]);
  await agent.apply([OPEN]);
  await reconcile(agent);
  assertEquals(agent.host.reachSwitch.flows.bridge, open);
  await agent.apply([EXTERNAL]);
  // Until the port follows, its frames still need the flows.
  await agent.agent.loops.fabric.fabric.ensure();
  assertEquals(agent.host.reachSwitch.flows.bridge, open);
  await reconcile(agent);
  assertEquals(rowReach(agent), undefined);
  assertEquals(agent.host.reachSwitch.flows.bridge, []);
  assertEquals([agent.host.reachSwitch.port, agent.host.hostStack.stack], [undefined, undefined]);
});

Deno.test("one of two networks that leaves takes its flows along only after its ports", async () => {
  using agent = await startMemoryAgent();
  const other = { ...OPEN, Name: "sys", SubnetCIDR: "10.9.2.0/24", DefaultGw: "10.9.2.254" };
  await agent.apply([OPEN, { ...other, Endpoints: [] }]);
  await reconcile(agent);
  const tag = agent.host.reachSwitch.flows.bridge.length;
  await agent.apply([EXTERNAL, { ...other, Endpoints: [] }]);
  await agent.agent.loops.fabric.fabric.ensure();
  assertEquals(agent.host.reachSwitch.flows.bridge.length, tag);
  await reconcile(agent);
  assert(agent.host.reachSwitch.flows.bridge.length < tag);
});

Deno.test("what an earlier agent has made is removed by the next one, once", async () => {
  using first = await startMemoryAgent();
  await first.apply([OPEN]);
  await reconcile(first);
  await first.apply([EXTERNAL]);
  using second = await startMemoryAgent({ host: first.host, store: first.store });
  second.host.reachSwitch.recorder.calls.length = 0;
  await reconcile(second);
  await reconcile(second);
  assertEquals(second.host.reachSwitch.recorder.argsOf("remove").length, 1);
  assertEquals(second.host.hostStack.stack, undefined);
});

Deno.test("without nft a pod is attached all the same: its network works, and nothing leads to the host", async () => {
  using agent = await startMemoryAgent();
  const missing = new Fault("unavailable", "nft is not installed");
  agent.host.hostStack.recorder.fail("ensure", missing, { times: 9 });
  await agent.apply([OPEN]);
  assertEquals((await agent.setUp(startPod(agent.host, "web"))).outcome, "ready");
  const flows = agent.host.reachSwitch.flows.bridge;
  assert(flows.some((flow) => flow.includes("table=10, priority=5,")));
  assertEquals(flows.filter((flow) => flow.includes("table=42, priority=70,")), []);
  assertEquals(agent.agent.reach.problem, "nft is not installed");
  await agent.setUp(startPod(agent.host, "web"));
  assertEquals(agent.logged.filter((line) => line.includes("nft is not installed")).length, 1);
  agent.host.hostStack.recorder.heal("ensure");
  await reconcile(agent);
  assertEquals(agent.agent.reach.problem, undefined);
  assert(agent.host.reachSwitch.flows.bridge.some((flow) => flow.includes("priority=70,")));
});

Deno.test("a route of the host into the host range keeps it from being used; one that comes later is reported", async () => {
  using agent = await startMemoryAgent();
  agent.host.hostStack.routes = ["100.64.0.0/10 on tailscale0"];
  await agent.apply([OPEN]);
  await reconcile(agent);
  assert(agent.agent.reach.problem?.includes("overlaps the host's route to 100.64.0.0/10"));
  assertEquals([agent.host.reachSwitch.port, agent.host.hostStack.stack], [undefined, undefined]);
  agent.host.hostStack.routes = [];
  await reconcile(agent);
  assertEquals(agent.agent.reach.problem, undefined);
  agent.host.hostStack.routes = ["100.64.0.0/10 on tailscale0"];
  await reconcile(agent);
  assert(agent.agent.reach.problem?.includes("100.64.0.0/10"));
  assert(agent.host.hostStack.stack);
});

Deno.test("two hosts with one number: who has claimed it goes on and says so, the other takes another one", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([OPEN]);
  await reconcile(agent);
  await agent.cache.commit(() => ({
    checks: [],
    writes: [{ key: keys.hostNumber("host2"), value: { schema: 1, host: "host2", number: 1 } }],
  }));
  await reconcile(agent);
  assert(agent.agent.reach.problem?.includes("100.65.0.1 of this host is also that of host host2"));
  assertEquals(agent.host.hostStack.stack?.addresses, ["100.66.0.1", "100.65.0.1"]);
  using other = await startMemoryAgent({ label: "host2", store: agent.store });
  await reconcile(other);
  assertEquals(other.host.hostStack.stack?.addresses, ["100.66.0.2", "100.65.0.2"]);
  await agent.cache.catchUp();
  await reconcile(agent);
  assertEquals(agent.agent.reach.problem, undefined);
});

Deno.test("a host whose claim was lost keeps its number", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([OPEN]);
  await reconcile(agent);
  await agent.cache.commit(() => ({
    checks: [],
    writes: [{ key: keys.hostNumberClaim(1), value: undefined }],
  }));
  await reconcile(agent);
  assertEquals(agent.host.hostStack.stack?.addresses, ["100.66.0.1", "100.65.0.1"]);
  assertEquals(agent.store.database.documents.has(keys.hostNumberClaim(1)), true);
});

Deno.test("hindrances are logged once each, and shown until they are gone", async () => {
  using agent = await startMemoryAgent();
  agent.host.hostStack.found = [{ what: "Docker drops it", fix: "let it" }];
  await agent.apply([OPEN]);
  await reconcile(agent);
  await reconcile(agent);
  assertEquals(agent.agent.reach.warnings, agent.host.hostStack.found);
  assertEquals(agent.logged.filter((line) => line.includes("Docker drops it")).length, 1);
  agent.host.hostStack.found = [];
  await reconcile(agent);
  assertEquals(agent.agent.reach.warnings, []);
});

Deno.test("what hinders packets on a way that no network has opened is not warned of", async () => {
  using agent = await startMemoryAgent();
  agent.host.hostStack.found = [{ what: "no route", fix: "add one", isOfOutside: true }];
  await agent.apply([{ ...OPEN, Reach: ["host"] }]);
  await reconcile(agent);
  assertEquals(agent.agent.reach.warnings, []);
  await agent.apply([OPEN]);
  await reconcile(agent);
  assertEquals(agent.agent.reach.warnings, agent.host.hostStack.found);
});

Deno.test("drift of flows or stack is reported until a reconciliation", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([OPEN]);
  await reconcile(agent);
  const { reach } = agent.agent;
  assertEquals(await reach.hasDrifted(), false);
  agent.host.hostStack.drifted = true;
  assertEquals(await reach.hasDrifted(), true);
  await reconcile(agent);
  assertEquals(await reach.hasDrifted(), false);
  agent.host.reachSwitch.flows = { bridge: [] };
  assertEquals(await reach.hasDrifted(), true);
});

Deno.test("a change of the host's stack that the kernel reports is undone at once, and one of others' is not", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([OPEN]);
  await reconcile(agent);
  const { hostStack } = agent.host;
  const ensured = () => hostStack.recorder.calls.filter(({ method }) => method === "ensure").length;
  const turn = () => new Promise((done) => setTimeout(done));
  const before = ensured();
  hostStack.wake();
  for (let n = 0; n < 20; n++) await turn();
  assertEquals(ensured(), before);
  hostStack.drifted = true;
  hostStack.wake();
  while (hostStack.drifted) await turn();
  assertEquals(ensured(), before + 1);
});

Deno.test("a pod of an aliased network has its alias in port, packet filter and record, also after a restart", async () => {
  const host = makeHost();
  using agent = await startMemoryAgent({ host });
  await agent.apply([OPEN]);
  await agent.intents.apply({
    ...{ mode: "add", force: true },
    text: JSON.stringify({
      Tenants: [{
        ...{ Name: "u", DefaultNetType: "vlan", SubnetPool: "10.9.0.0/16", AllocSubnetLen: 24 },
        ...{ Vlans: "300-310", Namespaces: ["red"], Networks: [OPEN] },
      }],
    }),
  });
  await agent.setUp(startPod(host, "web", "red"));
  const address = agent.attachments()[0]?.alias ?? "";
  const alias = { address, hairpin: hairpinOf(parseHostRange("100.64.0.0/14"), address) };
  assertEquals(rowReach(agent)?.alias, alias);
  assertEquals(host.hostStack.stack?.filter.elements.hairpins, [
    `${address} . 10.9.1.1 : ${alias.hairpin}`,
  ]);
  using later = await startMemoryAgent({ host, store: agent.store });
  await reconcile(later);
  assertEquals(rowReach(later)?.alias, alias);
});

const SERVED = { ...OPEN, Reach: ["services"] };

/** Applies a tenant whose pod web has a policy with these rules for what it sends; none: no policy. */
async function applyEgress(agent: MemoryAgent, rules: readonly Record<string, unknown>[]) {
  const [Group] = rules.length > 0 ? ["g"] : [];
  await agent.intents.apply({
    ...{ mode: "replace", force: true },
    text: JSON.stringify({
      ServiceCIDR: ["10.96.0.0/12"],
      Tenants: [{
        ...{ Name: "u", DefaultNetType: "vlan", SubnetPool: "10.9.0.0/16", AllocSubnetLen: 24 },
        ...{ Vlans: "300-310", Namespaces: ["red"] },
        Networks: [{ ...SERVED, Endpoints: [{ Container: "web", ...Group && { Group } }] }],
        ...Group && {
          Groups: [{ Name: "g", Network: "blue", Policies: ["p"] }],
          Policies: [{ Name: "p", Rules: rules.map((one) => ({ Direction: "out", ...one })) }],
        },
      }],
    }),
  });
}

Deno.test("what a guarded pod sends to services is judged by the host, too; its table follows the policies", async () => {
  using agent = await startMemoryAgent();
  const { filters, recorder } = agent.host.hostStack;
  const table = () => filters.get("k8contivnet-egress");
  await applyEgress(agent, []);
  await agent.setUp(startPod(agent.host, "web", "red"));
  assertEquals(table(), undefined);
  const deny = { Id: "1", Action: "deny" };
  await applyEgress(agent, [deny]);
  await agent.agent.policies.ensure();
  assertEquals(table()?.elements.guards, ["10.9.1.1 : jump pods0"]);
  assertEquals(table()?.elements.service_cidrs, ["10.96.0.0/12"]);
  const before = table()?.definition;
  const toApi = { ToIpAddress: "192.0.2.1", Protocol: "tcp", Port: 6443, Action: "allow" };
  await applyEgress(agent, [deny, { Id: "2", Priority: 2, ...toApi }]);
  await agent.agent.policies.ensure();
  assertEquals(before?.includes("192.0.2.1"), false);
  assertEquals(table()?.definition.includes("192.0.2.1/32 } tcp dport 6443-6443 return"), true);
  await applyEgress(agent, []);
  await agent.agent.policies.ensure();
  await reconcile(agent);
  assertEquals(table(), undefined);
  const removals = recorder.argsOf("removeFilter").length;
  await reconcile(agent);
  assertEquals(recorder.argsOf("removeFilter").length, removals);
});
