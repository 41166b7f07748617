// `trace`: the model's word and the switch's, side by side.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { tenantWith } from "../fixtures/tenant.ts";
import { run } from "../lab/run.ts";
import { startCluster } from "../lab/cluster.ts";
import { vtepOf } from "../lab/cluster/host.ts";
import { startHost } from "../lab/host.ts";
import { waitFor } from "../lab/wait.ts";

const RULES = [
  { Id: "1", Direction: "in", Protocol: "tcp", Action: "deny" },
  {
    ...{ Id: "2", Priority: 100, Direction: "in", FromGroup: "app" },
    ...{ Protocol: "tcp", Port: 8000, Action: "allow" },
  },
];

function tenant(name: string, rules: readonly unknown[], encap = "vlan") {
  return tenantWith({
    Name: name,
    DefaultNetType: encap,
    Vlans: name === "t" ? "100-200" : "300-400",
    Vxlans: name === "t" ? "10001-10100" : "20001-20100",
    Namespaces: [name],
    Groups: [{ Name: "web", Network: "blue", Policies: ["p1"] }, { Name: "app", Network: "blue" }],
    Policies: [{ Name: "p1", Rules: rules }],
    Networks: [{
      Name: "blue",
      Endpoints: [
        { Container: "web", Namespace: name, Group: "web" },
        { Container: "app", Namespace: name, Group: "app" },
        { Container: "other", Namespace: name },
      ],
    }],
  });
}

Deno.test("trace says allowed or denied, by which rule, and that the switch does the same", async () => {
  await using host = await startHost({ Tenants: [tenant("t", RULES)] });
  for (const name of ["web", "app", "other"]) await host.agent.setup(await host.pod(name, "t"));
  const trace = (...words: string[]) => host.agent.call("trace", ...words);
  const good = await trace("t/app", "t/web", "--tcp", "8000");
  assertEquals([good.code, good.out.split(" ")[0]], [0, "allowed"], good.err);
  assertStringIncludes(good.out, "rule 2 of group web of contiv policy t/p1");
  const bad = await trace("other", "web", "--tcp", "8000");
  assertEquals([bad.code, bad.out.split(" ")[0]], [0, "denied"], bad.err);
  assertMatch(
    bad.out,
    /policies: denied {2}rule 1 of group web .*\n {2}switch: {3}denied {2}policy t\/p1/,
  );
  assertEquals((await trace("web", "10.9.0.3", "--udp", "53")).out.split(" ")[0], "allowed");
  assertEquals((await trace("other", "web", "--icmp")).out.split(" ")[0], "allowed");
  assertEquals((await trace("web", "192.0.2.1", "--tcp", "80")).out.split(" ")[0], "allowed");
  const { out } = await trace("other", "web", "--tcp", "1", "-o", "json");
  assertEquals(JSON.parse(out).isAgreed, true);
  assertEquals((await trace("ghost", "web")).code, 3);
  assertEquals((await trace("other", "web", "--tcp", "80", "--icmp")).code, 2);
  assertEquals((await trace("other", "web", "--tcp", "70000")).code, 2);
  assertEquals((await trace("other")).code, 2);
});

Deno.test("trace ends with 1 where the switch was changed by hand, and the next reconciliation repairs it", async () => {
  await using host = await startHost({ Tenants: [tenant("t", RULES)] });
  for (const name of ["web", "app", "other"]) await host.agent.setup(await host.pod(name, "t"));
  const bridge = `unix:${host.ovs.rundir}/contivBridge.mgmt`;
  const rule = "table=22,reg3=0x60000/0xffff0000";
  // A reconciliation that is under way repairs it at once.
  const { out, err } = await waitFor("a trace before the next look", async () => {
    await run("ovs-ofctl", ["-OOpenFlow14", "del-flows", bridge, rule]);
    const answer = await host.agent.call("trace", "other", "web", "--tcp", "80");
    return answer.code === 1 && answer;
  });
  assertMatch(out, /^denied .*\n {2}policies: denied .*\n {2}switch: {3}allowed/);
  assertStringIncludes(err, "policies and switch do not agree");
  await host.agent.stop();
  await host.agent.start();
  assertEquals((await host.agent.call("trace", "other", "web", "--tcp", "80")).code, 0);
});

Deno.test("tenants with the same addresses have policies of their own, across hosts", async () => {
  const hosts = [1, 2].map((n) => ({ Name: `host${n}`, VtepIp: vtepOf(n) }));
  const open = [{ Id: "1", Direction: "in", Action: "allow" }];
  const Tenants = [tenant("t", RULES, "vxlan"), tenant("u", open, "vxlan")];
  await using cluster = await startCluster({
    ...{ hosts: 2, fabric: "wire", etcd: 0, intent: { Hosts: hosts, Tenants } },
  });
  const [one, two] = [cluster.host(1), cluster.host(2)];
  for (const space of ["t", "u"]) {
    await one.agent.setup(await one.pod("web", space));
    await two.agent.setup(await two.pod("app", space));
    await two.agent.setup(await two.pod("other", space));
  }
  const first = async (host: typeof one, ...words: string[]) => {
    // A host hears of the other's pods a moment after they are there.
    const { code, out, err } = await waitFor("both pods to be known", async () => {
      const answer = await host.agent.call("trace", ...words);
      return answer.code !== 3 && answer;
    });
    assertEquals(code, 0, err);
    return out;
  };
  // Who sends is on the second host, whose policies the first one's switch enforces.
  assertMatch(await first(one, "t/app", "t/web", "--tcp", "8000"), /^allowed .*\n.*\n.*may arrive/);
  assertMatch(
    await first(one, "t/other", "t/web", "--tcp", "8000"),
    /^denied .*\n.*\n.*denied {2}policy t\/p1/,
  );
  assertMatch(await first(one, "u/other", "u/web", "--tcp", "8000"), /^allowed/);
  assertMatch(
    await first(two, "t/other", "t/web", "--tcp", "8000"),
    /^denied .*\n.*\n.*sends it: .*may be sent; .*trace on host1/,
  );
  // From outside, an address is not a member of group app.
  assertMatch(
    await first(one, "192.0.2.7", "t/web", "--tcp", "8000"),
    /^denied {2}192\.0\.2\.7 to t\/web .*\n.*rule 1 .*\n.*denied {2}policy t\/p1 \(what may arrive\)/,
  );
  assertMatch(await first(one, "192.0.2.7", "t/web", "--udp", "53"), /^allowed .*\n.*\n.*allowed/);
  assertMatch(
    await first(one, "192.0.2.7", "u/web", "--tcp", "8000"),
    /^allowed .*\n.*\n.*allowed/,
  );
  // Whatever the policies say, tenants are apart.
  assertMatch(await first(one, "t/web", "u/app", "--tcp", "8000"), /^denied .*no common network\n/);
  const far = await one.agent.call("trace", "t/app", "t/other");
  assertEquals(far.code, 3);
  assertStringIncludes(far.err, "the pods are on host2");
});

Deno.test("trace and ping name the host that the intent lacks: its pods of VXLANs reach no other host", async () => {
  await using cluster = await startCluster({
    ...{ hosts: 2, fabric: "wire", etcd: 0 },
    intent: { Hosts: [{ Name: "host1", VtepIp: vtepOf(1) }], Tenants: [tenant("t", [], "vxlan")] },
  });
  const [one, two] = [cluster.host(1), cluster.host(2)];
  await one.agent.setup(await one.pod("web", "t"));
  await two.agent.setup(await two.pod("app", "t"));
  const traced = await waitFor("both pods to be known", async () => {
    const answer = await one.agent.call("trace", "web", "app", "--tcp", "80");
    return answer.code !== 3 && answer;
  });
  assertMatch(
    traced.out,
    /^denied .*: no tunnel between their hosts\n {2}host2 has no VtepIp in the intent; add it to Hosts$/m,
  );
  const pinged = await one.agent.call("ping", "t/web", "t/app", "--count", "1");
  assertStringIncludes(pinged.err, "no tunnel between their hosts: host2 has no VtepIp");
});
