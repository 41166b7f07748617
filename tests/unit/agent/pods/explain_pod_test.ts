import { assertEquals, assertMatch } from "@std/assert";
import { type ExplainContext, explainPod } from "../../../../lib/agent/pods/explain_pod.ts";
import type { KnownPod } from "../../../../lib/intent/choice/requested_network.ts";
import { attachmentOf, documentsOf, endpointOf, HOUR, tenant, unknown } from "./dynamic_records.ts";

const ask = (
  documents: ExplainContext["documents"],
  name: string,
  { known = {}, ...more }: Partial<ExplainContext> & { known?: Partial<KnownPod> } = {},
) =>
  explainPod({
    documents,
    host: "host1",
    metadataOf: () => Promise.resolve({ ...unknown(name), ...known }),
    ...more,
  }, { namespace: "default", name });

const whole = (values: Record<string, string>) => ({ labels: { values, isComplete: true } });

const RED = {
  "networks/t/red": {
    ...{ schema: 1, tenant: "t", name: "red", encap: "vlan", tag: 101, tagBy: "pool" },
    ...{ subnet: "10.9.0.8/29", subnetBy: "pool", podSelector: { matchLabels: { app: "db" } } },
  },
};

Deno.test("explainPod() shows the rule and place of an attached pod, and where it would go by now", async () => {
  const documents = documentsOf({
    endpoints: [endpointOf("web", "10.9.0.1")],
    attachments: [attachmentOf("web", "10.9.0.1")],
    more: RED,
  });
  const answer = await ask(documents, "web");
  assertEquals([answer.state, answer.reason, answer.notes], ["attached", "", []]);
  assertEquals(answer.places, [{
    ...{ tenant: "t", network: "blue", endpoint: "default~web", address: "10.9.0.1" },
    ...{ interface: "eth0", host: "host1", state: "ready", rule: "a rule" },
  }]);
  assertEquals((await ask(documents, "web", { known: whole({}) })).notes, []);
  const { notes } = await ask(documents, "web", { known: whole({ app: "db" }) });
  assertMatch(
    notes.join(),
    /would be in t\/red now, by PodSelector of t\/red; a running pod keeps its network: tear it down and set it up again \(in Kubernetes: delete the pod\)$/,
  );
  const refused = await ask(documents, "web", { known: whole({ "io.contiv.network": "x" }) });
  assertMatch(refused.notes.join(), /a set-up would be refused now: .* network x does not exist/);
});

Deno.test("explainPod() shows for a pod that does not exist yet which endpoint names it, and where that belongs", async () => {
  const { dynamic: _, ...written } = { ...endpointOf("x", "10.9.0.1"), container: "web" };
  const documents = documentsOf({ endpoints: [{ ...written, host: "host2" }] });
  const answer = await ask(documents, "web");
  assertEquals([answer.state, answer.places[0]?.host, answer.places[0]?.rule], [
    "expected",
    "host2",
    "endpoint t/blue/web, pinned to host2",
  ]);
});

Deno.test("explainPod() shows which address a pod would get, and why that one", async () => {
  const held = endpointOf("web", "10.9.0.4", { heldSince: HOUR });
  const back = await ask(documentsOf({ holdAddress: 60, endpoints: [held] }), "web");
  assertEquals([back.state, back.places[0]?.address], ["expected", "10.9.0.4"]);
  assertMatch(back.notes.join(), /10.9.0.4 is held for it until 1970-01-01T01:01:00/);
  const fresh = await ask(documentsOf(), "web");
  assertEquals(fresh.places[0]?.address, "10.9.0.1");
  assertMatch(
    fresh.notes.join(),
    /10.9.0.1 is the lowest free .*its labels are not completely known/,
  );
});

Deno.test("explainPod() does not speak of labels without a cluster", async () => {
  const { notes } = await ask(documentsOf(), "web", { hasCluster: false });
  assertEquals(notes, ["10.9.0.1 is the lowest free address now"]);
});

Deno.test("explainPod() names the group of a pod's endpoint, and its policies", async () => {
  const { dynamic: _, ...written } = { ...endpointOf("x", "10.9.0.1"), container: "web" };
  const asked = async (group: string, groups: object[]) => {
    const documents = documentsOf({
      endpoints: [{ ...written, group }],
      more: { "tenants/t": { ...tenant, groups } },
    });
    return (await ask(documents, "web")).notes;
  };
  const policed = { Name: "protected", Network: "blue", Policies: ["no-c", "p"] };
  assertEquals(await asked("protected", [policed]), [
    "endpoint t/blue/web is in group protected: policies no-c, p",
  ]);
  assertEquals(await asked("app", [policed, { Name: "app", Network: "blue" }]), [
    "endpoint t/blue/web is in group app: no policies",
  ]);
});

Deno.test("explainPod() says why a pod is nowhere, would be refused, or cannot be explained", async () => {
  const none = documentsOf({ more: { "networks/t/blue": RED["networks/t/red"] } });
  const nowhere = await ask(none, "web", { unmatchedReason: "a reason" });
  assertEquals([nowhere.state, nowhere.places], ["nowhere", []]);
  assertMatch(nowhere.reason, /^no endpoint names it, and no network of t is the default/);
  assertMatch(nowhere.notes.join(), /^it is on host1 without a network: a reason/);
  const refused = await ask(documentsOf(), "web", { known: whole({ "io.contiv.network": "x" }) });
  assertEquals(refused.state, "refused");
  assertMatch(refused.reason, /network x does not exist/);
  const silent = await ask(documentsOf(), "web", {
    metadataOf: () => Promise.reject(new Error("API server does not answer")),
  });
  assertEquals(silent.state, "refused");
  assertMatch(silent.reason, /API server does not answer/);
});

Deno.test("explainPod() says how hosts connect the pod's network, if they do", async () => {
  const about = async (more: object) => {
    const blue = documentsOf().get("networks/t/blue")?.value as object;
    const documents = documentsOf({
      endpoints: [endpointOf("web", "10.9.0.1")],
      attachments: [attachmentOf("web", "10.9.0.1")],
      more: { "networks/t/blue": { ...blue, gatewayType: "distributed", ...more } },
    });
    return (await ask(documents, "web")).notes;
  };
  assertEquals(await about({}), []);
  assertEquals(await about({ owner: true, reach: ["host", "outside"] }), [
    "t/blue has a distributed gateway, reaches host, outside, and owns 10.9.0.0/29 in the hosts' stacks",
  ]);
  assertEquals(await about({ aliasedBecause: "s/n" }), [
    "t/blue has a distributed gateway, reaches nothing beyond it, and is aliased in the hosts' stacks, " +
    "because of s/n",
  ]);
});
