// `doctor` of the built file on healthy hosts: no complaint, whatever they have. What it finds on broken ones is in
// broken_machines_test.ts and broken_servers_test.ts.

import { assert, assertEquals } from "@std/assert";
import { startCluster } from "../lab/cluster.ts";
import { vtepOf } from "../lab/cluster/host.ts";
import { assertHealthy, examineInTime, idsOf } from "../lab/doctor.ts";
import { intentOf as hostIntent, startHost } from "../lab/host.ts";
import { REACH_PODS, reachIntent } from "../lab/reach/reach_intent.ts";
import { intentOf } from "../lab/scenarios/scenario.ts";
import { run } from "../lab/run.ts";

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
