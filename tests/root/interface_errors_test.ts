// Errors that a real Open vSwitch reports of our own interfaces are in `status` and in the log; those of other
// programs' ports are not.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { intentOf, startHost } from "../lab/host.ts";
import { waitFor } from "../lab/wait.ts";

Deno.test("an interface error of our own ports is in status and the log, and goes when it is over", async () => {
  await using host = await startHost(intentOf(1));
  const { agent, ovs } = host;
  const add = (name: string, ...ids: string[]) =>
    ovs.vsctl("--no-wait", "add-port", "contivBridge", name, ...ids);
  // A port of this host that the agent itself does not create or remove, on a link that does not exist.
  await add("spare0", 'external_ids:k8contivnet="host1"', "external_ids:k8contivnet-kind=spare");
  await add("foreign0");
  const status = await waitFor("the error in status", async () => {
    const { out } = await agent.call("status");
    return /interface spare0/.test(out) && out;
  });
  assertStringIncludes(status, "could not open network device spare0 (No such device)");
  assertEquals(status.includes("foreign0"), false);
  assertEquals((await agent.call("status")).code, 0);
  await agent.setup(await host.pod("pod0")); // a set-up is followed by a reconciliation
  await waitFor("the error in the log", async () => {
    return /warn .*interface error.*spare0/.test(await agent.logText()) || undefined;
  });
  await ovs.vsctl("--no-wait", "del-port", "contivBridge", "spare0");
  await waitFor(
    "a status without it",
    async () => !(await agent.call("status")).out.includes("spare0"),
  );
});
