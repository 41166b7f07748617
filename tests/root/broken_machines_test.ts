// Machines that are broken on purpose, each found by `doctor` of the built file with its cause and the way out. Those
// that cannot be made without harm to the machine of the tests (a wrong clock, a kernel without veth) are in
// tests/unit/agent/doctor/; those of several hosts and servers in broken_clusters_test.ts.

import { tenantWith } from "../fixtures/tenant.ts";
import { BROKEN_CALLERS, installHere } from "../lab/broken_callers.ts";
import { BROKEN_HOSTS, BROKEN_WITHOUT_AGENT } from "../lab/broken_host.ts";
import {
  assertFound,
  assertHealthy,
  examine,
  examineInTime,
  findAll,
  idsOf,
} from "../lab/doctor.ts";
import { type Host, startHost } from "../lab/host.ts";
import { run } from "../lab/run.ts";
import { waitFor } from "../lab/wait.ts";

/** A network that the host routes for, an uplink, a way out, and a pod. */
async function startRoutingHost(): Promise<Host> {
  await run("ip", ["link", "delete", "up0"]).catch(() => {}); // of the test before
  await run("ip", ["link", "add", "up0", "type", "veth", "peer", "name", "fabric0"]);
  for (const name of ["up0", "fabric0"]) await run("ip", ["link", "set", name, "up"]);
  await run("ip", ["address", "add", "192.0.2.1/24", "dev", "fabric0"]);
  await run("ip", ["route", "replace", "default", "via", "192.0.2.2"]);
  const network = {
    ...{ Name: "blue", GatewayType: "distributed", DefaultGw: "10.9.0.254" },
    Endpoints: [{ Container: "pod0" }],
  };
  const intent = { Tenants: [tenantWith({ Networks: [network] })] };
  const host = await startHost(intent, "--ports", "warm", "--uplink", "up0");
  await host.agent.setup(await host.pod("pod0"));
  return host;
}

Deno.test("doctor finds what is broken on a host, and has no complaint before and after", async (t) => {
  await using host = await startRoutingHost();
  const isHealthy = async () => idsOf(await examine(host), "failed", "warning").length === 0;
  await waitFor("a healthy host", isHealthy, { limitMs: 30_000 });
  await t.step("with its agent", (t) => findAll(t, host, BROKEN_HOSTS));
  await waitFor("the host to be healthy again", isHealthy, { limitMs: 30_000 });
  await assertHealthy(host);
  await host.agent.stop("SIGKILL");
  await t.step("without its agent", (t) => findAll(t, host, BROKEN_WITHOUT_AGENT));
});

Deno.test("doctor finds what is broken with those who call the plugin", async (t) => {
  await using _installed = await installHere();
  await using host = await startRoutingHost();
  await assertHealthy(host);
  await findAll(t, host, BROKEN_CALLERS);
  await assertHealthy(host);
});

Deno.test("doctor finds that a host has no commands of Open vSwitch", async () => {
  await using host = await startRoutingHost();
  const folder = `${host.dir}/commands`;
  await Deno.mkdir(folder);
  for (const place of ["/usr/sbin", "/usr/bin"]) {
    for await (const { name } of Deno.readDir(place)) {
      if (name.startsWith("ovs-")) continue;
      await Deno.symlink(`${place}/${name}`, `${folder}/${name}`).catch(() => {});
    }
  }
  const examined = await examineInTime(host, ["env", `PATH=${folder}`]);
  const words = /not installed: ovs-vsctl, ovs-ofctl, ovs-appctl; install openvswitch-switch/;
  assertFound(examined, "failed commands", words);
});
