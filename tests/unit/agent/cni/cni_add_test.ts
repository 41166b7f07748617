// ADD on drivers in memory: what it answers and leaves, which endpoint it chooses, and what it refuses.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { netnsOf, startRuntime } from "./cni_runtime.ts";

const N = { Name: "n", DefaultGw: "10.9.0.254", Default: true };

Deno.test("ADD answers with both ends, the address, the route and the container's DNS", async () => {
  using bench = await startRuntime([{ ...N, Endpoints: [{ Container: "web" }] }]);
  const { agent, runtime } = bench;
  const dns = { Servers: ["10.96.0.10"], Searches: null, Options: ["ndots:5"] };
  const { exit, json } = await runtime.call("ADD", {
    ...{ container: "c1", pod: "default/web", config: { runtimeConfig: { dns } } },
  });
  const [one] = agent.attachments();
  assertEquals(exit, 0, json.msg);
  assertEquals(json, {
    cniVersion: "1.1.0",
    interfaces: [
      { name: `cv${one?.id}`, mtu: 1_500 },
      { name: "eth0", mac: "02:02:0a:09:00:01", mtu: 1_500, sandbox: netnsOf("c1") },
    ],
    ips: [{ address: "10.9.0.1/24", gateway: "10.9.0.254", interface: 1 }],
    routes: [{ dst: "0.0.0.0/0", gw: "10.9.0.254" }],
    dns: { nameservers: ["10.96.0.10"], options: ["ndots:5"] },
  });
  assertEquals([one?.state, one?.sandbox, one?.podUid], ["ready", "c1", "uid-c1"]);
  assertEquals(one?.cni, { network: "pods", ifname: "eth0" });
  const [row] = [...agent.host.switch.rows.values()];
  assertEquals(row?.externalIds["cni-network"], "pods");
  assertEquals(row?.externalIds["cni-ifname"], "eth0");
});

Deno.test("each ADD of a container gets the next of its pod's endpoints, and CHECK and DEL mean one of them", async () => {
  const Endpoints = [{ Container: "web" }];
  using bench = await startRuntime([{ Name: "a", Endpoints }, { Name: "b", Endpoints }]);
  const { agent, runtime } = bench;
  const pod = "default/web";
  assertEquals((await runtime.call("ADD", { pod })).exit, 0);
  assertEquals((await runtime.call("ADD", { pod, ifname: "net1" })).exit, 0);
  const seen = () => agent.attachments().map((one) => `${one.interface} ${one.network}`).sort();
  assertEquals(seen(), ["eth0 a", "net1 b"]);
  const third = await runtime.call("ADD", { pod, ifname: "net2" });
  assertEquals(third.json.code, 101);
  assertStringIncludes(JSON.stringify(third.json), "have an interface already");
  assertEquals((await runtime.call("CHECK", { pod })).exit, 0);
  assertEquals((await runtime.call("DEL", { pod })).exit, 0);
  assertEquals(seen(), ["net1 b"]);
  await agent.agent.loops.reconcile.reconcileOnce();
  assertEquals(seen(), ["net1 b"], "a reconciliation attaches what no runtime has asked for");
  assertEquals((await runtime.call("CHECK", { pod, ifname: "net1" })).exit, 0);
});

Deno.test("an endpoint with an Interface is for the ADD of that CNI_IFNAME only", async () => {
  using bench = await startRuntime([
    { Name: "a", Endpoints: [{ Container: "web", Interface: "storage" }] },
    { Name: "b", Endpoints: [{ Container: "web" }] },
  ]);
  const { agent, runtime } = bench;
  const pod = "default/web";
  assertEquals((await runtime.call("ADD", { pod })).exit, 0);
  assertEquals((await runtime.call("ADD", { pod, ifname: "storage" })).exit, 0);
  const seen = agent.attachments().map((one) => `${one.interface} ${one.network}`).sort();
  assertEquals(seen, ["eth0 b", "storage a"]);
});

Deno.test("the configuration chooses tenant, network or endpoint, within what a namespace may use", async () => {
  const networks = [
    { ...N, Endpoints: [{ Container: "db" }] },
    { Name: "m", Namespaces: ["other"] },
    { Name: "k" },
  ];
  using bench = await startRuntime(networks);
  const { agent, runtime } = bench;
  const networkOf = (container: string) =>
    agent.attachments().find((one) => one.sandbox === container)?.network;
  await runtime.call("ADD", { container: "c1" });
  await runtime.call("ADD", { container: "c2", config: { network: "k" } });
  await runtime.call("ADD", {
    container: "c3",
    config: { tenant: "t", network: "n", endpoint: "db" },
  });
  assertEquals(["c1", "c2", "c3"].map(networkOf), ["n", "k", "n"]);
  assertEquals(agent.attachments().find((one) => one.sandbox === "c3")?.endpoint, "db");
  for (
    const [config, code, words] of [
      [{ network: "m" }, 103, "may not use network t/m"],
      [{ network: "none" }, 101, "network none in configuration pods"],
      [{ tenant: "none" }, 101, "tenant none"],
      [{ network: "k", endpoint: "db" }, 101, 'endpoint "db" is not available'],
    ] as const
  ) {
    const { exit, json } = await runtime.call("ADD", { container: "c9", config });
    assertEquals([exit, json.code], [1, code], JSON.stringify(json));
    assertStringIncludes(`${json.msg} ${json.details}`, words);
  }
  assertEquals(agent.attachments().length, 3);
});

Deno.test("annotations from the runtime choose network and address without an API server", async () => {
  using bench = await startRuntime([N, { Name: "k", SubnetCIDR: "10.77.0.0/24" }]);
  const { agent, runtime } = bench;
  const annotations = { "io.contiv.network": "k", "io.contiv.address": "10.77.0.9" };
  const config = { runtimeConfig: { "io.kubernetes.cri.pod-annotations": annotations } };
  const { json } = await runtime.call("ADD", { config });
  assertEquals(agent.attachments().map((one) => one.addresses), [["10.77.0.9/24"]], json.msg);
  const again = await runtime.call("ADD", { container: "c2", config });
  assertEquals(again.json.code, 103);
  assertStringIncludes(String(again.json.details), "t/k/default~c1 has it");
});

Deno.test("IP and MAC of CNI_ARGS and of capabilities are the interface's, if they are free", async () => {
  using bench = await startRuntime([N]);
  const { agent, runtime } = bench;
  const at = (container: string) => {
    const one = agent.attachments().find((each) => each.sandbox === container);
    return [one?.addresses.join(), one?.mac];
  };
  const args = "IP=10.9.0.40;MAC=02:00:00:00:00:0A";
  const first = await runtime.call("ADD", { container: "c1", pod: "", args });
  assertEquals(at("c1"), ["10.9.0.40/24", "02:00:00:00:00:0a"], first.json.msg);
  const runtimeConfig = { ips: ["10.9.0.41/24"], mac: "02:00:00:00:00:0b" };
  await runtime.call("ADD", { container: "c2", config: { runtimeConfig } });
  assertEquals(at("c2"), ["10.9.0.41/24", "02:00:00:00:00:0b"]);
  for (
    const [more, words] of [
      ["IP=10.9.0.40", "t/n/default~c1 has it"],
      ["IP=10.8.0.1", "outside 10.9.0.0/24"],
      ["IP=10.9.0.254", "it is the gateway"],
      ["MAC=02:00:00:00:00:0a", "default/c1 on host1 has it"],
    ] as const
  ) {
    const { exit, json } = await runtime.call("ADD", { container: "c3", args: more });
    assertEquals(exit, 1);
    assertStringIncludes(`${json.msg} ${json.details}`, words);
  }
  assertEquals(at("c3"), [undefined, undefined]);
});

Deno.test("a second ADD of an interface is refused, its own retry is a success, and another namespace is a restart", async () => {
  using bench = await startRuntime([N]);
  const { agent, runtime } = bench;
  const first = await runtime.call("ADD");
  const second = await runtime.call("ADD");
  assertEquals([second.exit, second.json.code], [1, 4]);
  assertStringIncludes(String(second.json.msg), "CNI_IFNAME eth0 exists already");
  const retry = await runtime.call("ADD", { isRetry: true });
  assertEquals(retry.json, first.json);
  // As an agent leaves it that is killed after it has recorded the attachment.
  agent.host.switch.rows.clear();
  const again = await runtime.call("ADD", { isRetry: true });
  assertEquals([again.json, agent.host.switch.rows.size], [first.json, 1]);
  runtime.start("c1");
  const restarted = await runtime.call("ADD");
  assertEquals(restarted.exit, 0, restarted.json.msg);
  assertEquals(agent.attachments().map(({ addresses }) => addresses), [["10.9.0.1/24"]]);
  assertEquals(agent.host.switch.rows.size, 1);
});

Deno.test("an interface of another program is left alone", async () => {
  using bench = await startRuntime([N]);
  const { agent, runtime } = bench;
  const namespace = runtime.start("c1");
  agent.host.kernel.addLink(namespace, { name: "eth0", isUp: true });
  const refused = await runtime.call("ADD");
  assertEquals([refused.exit, refused.json.code], [1, 4]);
  // As the second plugin of a chain, ours takes the next name, and no default route.
  const before = {
    cniVersion: "1.1.0",
    interfaces: [{ name: "eth0", mac: "02:42:0a:0a:00:02", sandbox: netnsOf("c1") }],
    ips: [{ address: "172.16.0.2/24", interface: 0 }],
    routes: [{ dst: "0.0.0.0/0", gw: "172.16.0.1" }],
  };
  const { exit, json } = await runtime.call("ADD", { config: { prevResult: before } });
  assertEquals(exit, 0, json.msg);
  const [one] = agent.attachments();
  assertEquals(json, {
    ...before,
    dns: {},
    interfaces: [
      ...before.interfaces,
      { name: `cv${one?.id}`, mtu: 1_500 },
      { name: "net1", mac: one?.mac, mtu: 1_500, sandbox: netnsOf("c1") },
    ],
    ips: [...before.ips, { address: "10.9.0.1/24", gateway: "10.9.0.254", interface: 2 }],
  });
  assertEquals((await runtime.call("CHECK")).exit, 0);
  assertEquals((await runtime.call("DEL")).exit, 0);
  assertEquals(agent.attachments(), []);
  assert(namespace.links.has("eth0"));
});

Deno.test("a full pool, a pod without a network, the host's namespace and a missing one have codes of their own", async () => {
  using bench = await startRuntime([{ Name: "n", AllocRange: "10.9.0.1-10.9.0.1" }]);
  const { agent, runtime } = bench;
  const none = await runtime.call("ADD");
  assertEquals(none.json.code, 101);
  assertStringIncludes(String(none.json.details), "no endpoint names it");
  const config = { network: "n" };
  assertEquals((await runtime.call("ADD", { config })).exit, 0);
  assertEquals((await runtime.call("ADD", { container: "c2", config })).json.code, 100);
  agent.host.kernel.nameNamespace(netnsOf("c3"), agent.host.kernel.host);
  assertEquals((await runtime.call("ADD", { container: "c3", config })).json.code, 8);
  const { output } = await agent.agent.answerCni({
    ...{ command: "ADD", containerId: "c4", netns: "/run/netns/none", ifname: "eth0", args: "" },
    ...{ path: "/opt/cni/bin", config: `{"cniVersion":"1.0.0","name":"pods","type":"x"}` },
  });
  assertEquals(JSON.parse(output).code, 4);
});

Deno.test("a new container of the same pod takes its endpoint over, before or after the DEL of the old one", async () => {
  using bench = await startRuntime([{ ...N, Endpoints: [{ Container: "web" }] }]);
  const { agent, runtime } = bench;
  const pod = "default/web";
  await runtime.call("ADD", { container: "old", pod });
  assertEquals((await runtime.call("ADD", { container: "new", pod })).exit, 0);
  assertEquals((await runtime.call("DEL", { container: "old", pod })).exit, 0);
  assertEquals(agent.attachments().map(({ sandbox }) => sandbox), ["new"]);
  const other = await runtime.call("ADD", {
    container: "x",
    pod: "default/web2",
    config: { endpoint: "web" },
  });
  assertEquals(other.json.code, 103);
  assertStringIncludes(String(other.json.details), "belongs to pod default/web");
});

Deno.test("containers whose ids begin alike are not mixed up", async () => {
  using bench = await startRuntime([N]);
  const { agent, runtime } = bench;
  const ids = ["podman-container-1", "podman-container-10", "abcdef012345", "abcdef0123456"];
  for (const container of ids) assertEquals((await runtime.call("ADD", { container })).exit, 0);
  assertEquals(agent.attachments().length, 4);
  await runtime.call("DEL", { container: "podman-container-1" });
  await runtime.call("DEL", { container: "abcdef012345" });
  assertEquals(agent.attachments().map(({ sandbox }) => sandbox).sort(), [ids[3], ids[1]]);
});
