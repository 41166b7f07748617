// `doctor` of the built file on healthy hosts: no complaint, whatever they have. What it finds on broken ones is in
// broken_machines_test.ts and broken_servers_test.ts.

import { assert, assertEquals } from "@std/assert";
import { startCluster } from "../lab/cluster.ts";
import { vtepOf } from "../lab/cluster/host.ts";
import { assertFound, assertHealthy, examineInTime, idsOf } from "../lab/doctor.ts";
import { type Host, intentOf as hostIntent, startHost } from "../lab/host.ts";
import { REACH_PODS, reachIntent } from "../lab/reach/reach_intent.ts";
import { intentOf } from "../lab/scenarios/scenario.ts";
import { run } from "../lab/run.ts";
import { waitFor } from "../lab/wait.ts";
import { tenantWith } from "../fixtures/tenant.ts";

Deno.test("doctor has no complaint about three hosts with one etcd, with tunnels and pods", async () => {
  const intent = intentOf("vteps", { orange: ["c1", "c2", "c3"] }, 3);
  await using cluster = await startCluster({ hosts: 3, etcd: 1, fabric: "wire", intent });
  for (const [n, host] of cluster.hosts.entries()) {
    await host.agent.setup(await host.pod(`myContainer${n + 1}`));
  }
  for (const host of cluster.hosts) await assertHealthy(host);
});

Deno.test("doctor has no complaint about three hosts with policies, services and ways beyond pods' networks", async (t) => {
  for (const fabric of ["vxlan", "vlan"] as const) {
    await t.step(fabric, async () => {
      const place = fabric === "vxlan" ? "wire" : "vlan-switch";
      await using cluster = await startCluster({ hosts: 3, etcd: 3, fabric: place });
      for (const { netns } of cluster.hosts) {
        await run("ip", ["-n", netns, "route", "add", "default", "via", "10.255.0.254"]);
      }
      const third = fabric === "vxlan" ? { VtepIp: vtepOf(3) } : { Intf: "eth2" };
      const intent = reachIntent(fabric) as { readonly Hosts: readonly object[] };
      await cluster.apply({ ...intent, Hosts: [...intent.Hosts, { Name: "host3", ...third }] });
      for (const { name, namespace, host } of REACH_PODS) {
        await cluster.host(host).agent.setup(await cluster.host(host).pod(name, namespace));
      }
      for (const host of cluster.hosts) await assertHealthy(host);
    });
  }
});

Deno.test("doctor, status and the log say what keeps pods of a VXLAN network from other hosts", async (t) => {
  const hosts = (name: string) => [
    { Name: name, VtepIp: "192.0.2.1" },
    { Name: "host2", VtepIp: "192.0.2.2" },
  ];
  const Tenants = [tenantWith({
    ...{
      SubnetPool: "10.9.0.0/16",
      AllocSubnetLen: 24,
      DefaultNetType: "vxlan",
      Vxlans: "5000-5010",
    },
    Networks: [{ Name: "blue", Endpoints: [{ Container: "pod0" }] }],
  })];
  const sayAll = async (host: Host, state: string, words: string) => {
    await waitFor(
      "the finding",
      async () =>
        (await examineInTime(host)).answer.checks.some((one) =>
          `${one.id} ${one.state}` === `overlay ${state}` && one.message.includes(words)
        ),
      { limitMs: 30_000 },
    );
    const status = (await host.agent.call("status")).out;
    assert(status.includes(`${state}: `) && status.includes(words), status);
    const lines = (await host.agent.logText()).split("\n").filter((line) =>
      line.includes(`overlay: `) && line.includes(words)
    );
    assertEquals(lines.length, 1, lines.join("\n"));
  };
  await run("ip", ["link", "add", "nic0", "type", "veth", "peer", "name", "wire0"]);
  await run("ip", ["address", "add", "192.0.2.1/24", "dev", "nic0"]);
  await run("ip", ["link", "set", "nic0", "up"]);
  await t.step("its tunnel address is on a NIC, also once the agent is dead", async () => {
    await using host = await startHost({ Hosts: hosts("host1"), Tenants });
    await host.agent.setup(await host.pod("pod0"));
    const words = "192.0.2.1 cannot be used: it is on nic0, where the userspace datapath cannot";
    await sayAll(host, "failed", words);
    assert((await examineInTime(host)).answer.checks.every(({ id }) => id !== "vtep"));
    await host.agent.stop("SIGKILL");
    assertFound(
      await examineInTime(host),
      "failed overlay",
      /it is on nic0, .*: ovs-vsctl .* add-br /,
    );
  });
  await t.step("the host is not in the intent", async () => {
    await using host = await startHost({ Hosts: hosts("host9"), Tenants });
    await host.agent.setup(await host.pod("pod0"));
    await sayAll(host, "warning", "host host1 is not in the intent: pods of VXLAN networks here");
  });
  await run("ip", ["link", "del", "nic0"]);
});

Deno.test("doctor knows of a dead agent where the rest is", async () => {
  await using host = await startHost(hostIntent(1));
  assertEquals(idsOf(await examineInTime(host), "failed"), []);
  await host.agent.stop("SIGKILL");
  const { answer } = await examineInTime(host);
  // What the last agent left says so.
  for (const id of ["vswitchd", "store", "disk"]) {
    assert(answer.checks.some((one) => one.id === id && one.state === "ok"), id);
  }
});
