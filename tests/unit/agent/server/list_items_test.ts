// What `get` lists of each kind: which records, in which order, and by which names.

import { assertEquals, assertRejects } from "@std/assert";
import { KINDS, recordItems } from "../../../../lib/agent/server/list_items.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";

type Item = Readonly<Record<string, unknown>>;

const NETWORKS = [
  { Name: "n", Endpoints: [{ Container: "web" }, { Container: "db", Namespace: "prod" }] },
  { Name: "m", Endpoints: [{ Container: "web" }] },
];

async function startAgent(): Promise<MemoryAgent> {
  const agent = await startMemoryAgent();
  await agent.apply(NETWORKS, {
    ...{ Namespaces: ["default", "prod"] },
    Policies: [{ Name: "q", Rules: [] }, {
      Name: "p",
      Rules: [{ Id: "1", Direction: "in", Action: "deny" }],
    }],
    Groups: [{ Name: "g", Network: "n", Policies: ["p"] }],
  });
  return agent;
}

const list = ({ agent }: MemoryAgent, kind: string, name?: string): Promise<readonly Item[]> =>
  agent.server.listItems(kind, name);

/** Returns one field of each item. */
const column = (items: readonly Item[], field: string) => items.map((item) => item[field]);

Deno.test("tenants and networks are their records without the schema's number, in order", async () => {
  using agent = await startAgent();
  assertEquals(column(await list(agent, "networks"), "name"), ["m", "n"]);
  assertEquals(column(await list(agent, "tenants"), "name"), ["t"]);
  for (const kind of ["hosts", "tenants", "networks"]) {
    const items = await list(agent, kind);
    assertEquals(items.length > 0, true);
    for (const item of items) assertEquals("schema" in item, false);
  }
});

Deno.test("hosts are listed with what the intent says of them", async () => {
  using agent = await startAgent();
  assertEquals(await list(agent, "hosts"), [{ name: "host1", intf: "eth9" }]);
});

Deno.test("endpoints are listed by their JSON, and one by its name, network or tenant", async () => {
  using agent = await startAgent();
  const names = async (name?: string) =>
    (await list(agent, "endpoints", name)).map((one) => `${one.network}/${one.endpoint}`);
  assertEquals(await names(), ["m/web", "n/db", "n/web"]);
  assertEquals(await names("web"), ["m/web", "n/web"]);
  assertEquals(await names("t/n/web"), ["n/web"]);
  assertEquals(await names("nobody"), []);
});

Deno.test("policies are listed with their rules and groups", async () => {
  using agent = await startAgent();
  const items = (await list(agent, "policies")).map((
    { name, rules, groups },
  ) => [name, rules, groups]);
  assertEquals(items, [["t/p", 1, ["g"]], ["t/q", 0, []]]);
  assertEquals(column(await list(agent, "policies", "p"), "ruleTexts"), [[
    "1: deny all from any",
  ]]);
});

Deno.test("groups are listed with their policies and the endpoints in them", async () => {
  using agent = await startMemoryAgent();
  const grouped = (name: string) => ({ Container: name, Group: "g" });
  await agent.apply([
    { Name: "n", Endpoints: [grouped("web"), grouped("db"), { Container: "none" }] },
  ], {
    Policies: [{ Name: "p" }],
    Groups: [{ Name: "g", Network: "n", Policies: ["p"] }, { Name: "h", Network: "n" }],
  });
  assertEquals(await list(agent, "groups"), [
    { tenant: "t", name: "g", network: "n", policies: ["p"], endpoints: ["n/db", "n/web"] },
    { tenant: "t", name: "h", network: "n", policies: [], endpoints: [] },
  ]);
  assertEquals(column(await list(agent, "groups", "t/n/h"), "name"), ["h"]);
});

Deno.test("attachments are those of this host and its unmatched pods, by name of pod as well", async () => {
  using agent = await startAgent();
  const [web, stranger] = [startPod(agent.host, "web"), startPod(agent.host, "stranger")];
  await agent.setUp(web);
  await agent.setUp(stranger);
  // Another host's is not ours to show.
  const [mine] = agent.attachments();
  const others = { ...mine, host: "host2", pod: { namespace: "default", name: "web" } };
  agent.store.database.put({ [`attachments/host2/${web.sandbox}/eth0`]: others });
  await agent.cache.catchUp();
  const shown = async (name?: string) =>
    (await list(agent, "attachments", name)).map((
      one,
    ) => [one.network, one.state, one.vlan, one.sandbox]);
  assertEquals(await shown(), [
    ["", "unmatched", 0, stranger.sandbox],
    ["m", "ready", 101, web.sandbox],
    ["n", "ready", 100, web.sandbox],
  ]);
  assertEquals(await shown("stranger"), [["", "unmatched", 0, stranger.sandbox]]);
  assertEquals((await shown("default/stranger")).length, 1);
  assertEquals((await shown("default/web")).length, 2);
  assertEquals((await shown("t/n/web")).length, 1);
});

Deno.test("an attachment whose network is gone is listed without a tag", async () => {
  using agent = await startAgent();
  await agent.setUp(startPod(agent.host, "web"));
  agent.store.database.put({ "networks/t/n": undefined });
  await agent.cache.catchUp();
  assertEquals(column(await list(agent, "attachments"), "vlan"), [101, 0]);
});

Deno.test("pods are those with networks of ours, each once with all its addresses", async () => {
  using agent = await startAgent();
  await agent.setUp(startPod(agent.host, "web"));
  await agent.setUp(startPod(agent.host, "stranger"));
  assertEquals(await list(agent, "pods"), [{
    ...{ namespace: "default", name: "web", networks: ["t/m", "t/n"] },
    ...{ ips: ["10.9.1.1", "10.9.0.1"], node: "host1" },
  }]);
});

Deno.test("pools are counted by network, differences by key", async () => {
  using agent = await startAgent();
  const pools = (await list(agent, "pools")).map((
    { network, used, size },
  ) => [network, used, size]);
  assertEquals(pools, [["m", 1, 254], ["n", 2, 254]]);
  assertEquals(await list(agent, "differences"), []);
  agent.store.database.put({ "claims/vni/7": { schema: 1, owner: "networks/t/gone" } });
  await agent.cache.catchUp();
  assertEquals(column(await list(agent, "differences"), "name"), ["claims/vni/7"]);
});

Deno.test("an unknown kind is not_found, and the known ones are named", async () => {
  using agent = await startAgent();
  for (const kind of ["", "network", "Networks", "constructor"]) {
    const fault = await assertRejects(() => list(agent, kind), Fault, `"${kind}"`);
    assertEquals([fault.code, fault.fix], ["not_found", `kinds: ${KINDS.join(", ")}`]);
  }
});

Deno.test("recordItems() answers from a store alone, and knows nothing that only a host has", async () => {
  using agent = await startAgent();
  await agent.setUp(startPod(agent.host, "web"));
  const { documents } = agent.cache;
  for (const kind of ["hosts", "tenants", "networks", "endpoints", "policies"]) {
    assertEquals(recordItems(documents, kind), await list(agent, kind));
  }
  assertEquals(recordItems(documents, "attachments"), []);
  assertEquals(column(recordItems(documents, "networks", "t/m"), "name"), ["m"]);
});

Deno.test("a record that this version cannot read is not listed", async () => {
  using agent = await startAgent();
  const newer = { schema: 99, tenant: "t", name: "z" };
  agent.store.database.put({ "networks/t/z": newer, "networks/t/y": "nonsense" });
  await agent.cache.catchUp();
  assertEquals(column(await list(agent, "networks"), "name"), ["m", "n"]);
});

Deno.test("networks are listed with their gateway and reach, hosts with their addresses in pods' networks", () => {
  const network = { ...{ schema: 1, encap: "vlan", tag: 1, subnet: "10.0.0.0/24" }, name: "n" };
  const records = {
    "tenants/t": {
      ...{ schema: 1, name: "t", defaultNetType: "vlan" },
      ...{ subnetPool: "10.0.0.0/16", allocSubnetLen: 24, reach: ["outside"] },
      gatewayType: "distributed",
    },
    "networks/s/n": { ...network, tenant: "s" },
    "networks/t/n": { ...network, tenant: "t", aliasedBecause: "r/n" },
    "hosts/h1": { schema: 1, name: "h1" },
    "hosts/h2": { schema: 1, name: "h2" },
    "hostnumbers/h2": { schema: 1, host: "h2", number: 3 },
    "clusters/settings": { schema: 1, hostRange: "10.200.0.0/16" },
  };
  const documents = new Map(
    Object.entries(records).map(([key, value]) => [key, { value, revision: 1 }]),
  );
  const networks = recordItems(documents, "networks");
  assertEquals(column(networks, "gatewayType"), ["external", "distributed"]);
  assertEquals(column(networks, "reach"), [[], ["outside"]]);
  assertEquals(column(networks, "aliasedBecause"), [undefined, "r/n"]);
  assertEquals(recordItems(documents, "hosts"), [
    { name: "h1" },
    { name: "h2", node: "10.200.64.3", nat: "10.200.128.3" },
  ]);
});
