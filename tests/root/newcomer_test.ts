// What a newcomer asks of a running host: who has an address, what a rule says, what going back would cut off.

import { assertEquals, assertMatch } from "@std/assert";
import { tenantWith } from "../fixtures/tenant.ts";
import { startHost } from "../lab/host.ts";

const RULES = [{ Id: "1", Direction: "in", Protocol: "tcp", Action: "deny" }];
const NETWORK = { Name: "blue", SubnetCIDR: "10.9.0.0/24", DefaultGw: "10.9.0.254" };

Deno.test("who has an address, in each tenant, from the agent and from its store", async () => {
  await using host = await startHost({
    Tenants: [
      tenantWith({ Networks: [{ ...NETWORK, Endpoints: [{ Container: "web" }] }] }),
      tenantWith({ Name: "u", Vlans: "300-400", Networks: [{ ...NETWORK, Name: "red" }] }),
    ],
  });
  const { agent } = host;
  await agent.setup(await host.pod("web"));
  const { code, out } = await agent.call("why", "10.9.0.1");
  const since = /, since \d{4}-\d\d-\d\dT[\d:.]+Z/;
  assertMatch(out, since);
  const lines = [
    "10.9.0.1 in t/blue: pod default/web on host1 has it, on eth0, by endpoint t/blue/web",
    "10.9.0.1 in u/red: it is free",
    "",
  ];
  assertEquals([code, out.replace(since, "").split("\n")], [0, lines]);
  assertEquals((await agent.call("ipam", "show", "10.9.0.1")).out, out);
  const store = ["--store", `sqlite:${agent.stateDir}/store.db`];
  assertEquals((await agent.call("why", "10.9.0.1", ...store)).out.split("\n"), lines);
  const gateway = await agent.call("why", "10.9.0.254", "-o", "json");
  const items: { state: string }[] = JSON.parse(gateway.out);
  assertEquals(items.map(({ state }) => state), ["kept", "kept"]);
  assertEquals((await agent.call("why", "10.9.0.256")).code, 2);
});

Deno.test("groups, the text of a rule, and what going back would cut off", async () => {
  await using host = await startHost({
    Tenants: [tenantWith({
      ...{ Policies: [{ Name: "p1", Rules: RULES }] },
      Groups: [{ Name: "g", Network: "blue", Policies: ["p1"] }],
      Networks: [{
        ...NETWORK,
        Endpoints: [{ Container: "web", Group: "g" }, { Container: "app" }],
      }],
    })],
  });
  const { agent } = host;
  for (const name of ["web", "app"]) await agent.setup(await host.pod(name));
  assertMatch((await agent.call("get", "groups")).out, /^t +g +blue +p1 +blue\/web$/m);
  assertMatch((await agent.call("get", "policies", "p1", "-o", "wide")).out, /1: deny in tcp/);
  assertMatch((await agent.call("why", "web")).out, /web is in group g: policies p1\n/);
  const trace = ["trace", "default/app", "default/web", "--tcp", "80"];
  assertMatch((await agent.call(...trace)).out, /policy t\/p1: deny in tcp from any\n/);
  assertEquals((await agent.call(...trace, "--detailed-exitcode")).code, 2);
  const unknown = await agent.call("get", "endpoints", "-l", "addresses=10.9.0.1");
  assertEquals(unknown.code, 2);
  assertMatch(unknown.err, /did you mean address\?/);
  const shown = await agent.call("rollback", "0", "--dry-run");
  assertEquals(shown.code, 0, shown.err);
  assertMatch(shown.err, /rollback will be refused: .*default\/web on host1.*--force/);
  assertMatch(shown.out, /^- endpoint t\/blue\/web\n +detaches default\/web on host1$/m);
  assertEquals((await agent.call("rollback", "0")).code, 4);
});
