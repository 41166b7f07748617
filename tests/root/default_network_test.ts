// Pods that no endpoint names: which network they get on one host, what is left of them, and what is
// said of those that get none.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import type { WhyAnswer } from "../../lib/agent/api/diagnosis_requests.ts";
import type { LabAgent } from "../lab/agent.ts";
import { applyOn, assertAudit, blue, poolOf, tenantOf } from "../lab/default_network.ts";
import { startDockerd } from "../lab/dockerd.ts";
import { assertNothingLeft, startHost, worldOf } from "../lab/host.ts";
import { waitFor } from "../lab/wait.ts";
import { lostPings } from "../lab/pings.ts";

async function why(agent: LabAgent, pod: string): Promise<WhyAnswer> {
  const { code, out, err } = await agent.call("why", pod, "-o", "json");
  assertEquals(code, 0, err);
  return JSON.parse(out);
}

Deno.test("pods that nothing names are connected in their tenant's default network, and leave nothing", async () => {
  const intent = tenantOf([blue({ Endpoints: [{ Container: "named" }] })]);
  await using host = await startHost(intent);
  const { agent } = host;
  const named = await host.pod("named");
  await agent.setup(named);
  const before = await worldOf(host);
  const pods = await Promise.all([1, 2, 3].map((n) => host.pod(`web-${n}`)));
  await Promise.all(pods.map((pod) => agent.setup(pod)));
  const addresses = await Promise.all(pods.map((pod) => agent.addressOf(pod)));
  assertEquals([...addresses].sort(), ["10.9.0.2", "10.9.0.3", "10.9.0.4"]);
  for (const address of addresses) assert(await named.reaches(address), `no way to ${address}`);
  await assertAudit(agent);
  // Asked again, and after the agent's end, it is the same.
  await agent.setup(pods[0]!);
  await agent.stop("SIGKILL");
  await agent.start();
  await agent.setup(pods[0]!);
  assertEquals(await Promise.all(pods.map((pod) => agent.addressOf(pod))), addresses);
  for (const pod of pods) assertEquals((await agent.verb("teardown", pod)).code, 0);
  assertEquals((await agent.verb("teardown", pods[0]!)).code, 0);
  // A teardown does not wait for the last link to go, nor for the switch to have deleted its flows.
  const isAsBefore = async () => JSON.stringify(await worldOf(host)) === JSON.stringify(before);
  await waitFor("links and flows to go", isAsBefore).catch(() => {});
  assertEquals(await worldOf(host), before);
  await assertAudit(agent);
});

Deno.test("applying an intent leaves such pods alone, and their network is not deleted under them", async () => {
  const intent = tenantOf([blue()]);
  await using host = await startHost(intent);
  const { agent } = host;
  const pod = await host.pod("web-1");
  await agent.setup(pod);
  const pinging = await host.pod("web-2");
  await agent.setup(pinging);
  const lost = lostPings(pinging, await agent.addressOf(pod), { count: 100 });
  assertStringIncludes((await applyOn(agent, intent, "--prune")).err, "nothing to change");
  const without = await applyOn(agent, tenantOf([]), "--prune");
  assertEquals(without.code, 4, without.out);
  assertMatch(without.err, /network t\/blue is not deleted: it has endpoints default~web-1/);
  assertEquals(await lost, []);
  const forced = await applyOn(agent, tenantOf([]), "--prune", "--force");
  assertEquals(forced.code, 0, forced.err);
  await waitFor(
    "the pods to be cut off",
    async () => (await agent.attachments()).every(({ state }) => state === "unmatched"),
  );
  await assertAudit(agent);
  // The network comes back, and its pods are here still.
  assertEquals((await applyOn(agent, intent)).code, 0);
  await waitFor(
    "the pods to be connected",
    async () => (await agent.attachments()).every(({ state }) => state === "ready"),
  );
  assert(await pod.reaches(await agent.addressOf(pinging)));
});

Deno.test("a pod that came before its default network is connected when that comes; an endpoint that comes later moves nothing", async () => {
  await using host = await startHost(tenantOf([{ Name: "red" }]));
  const { agent } = host;
  const pod = await host.pod("web-1");
  await agent.setup(pod);
  const [item] = await agent.attachments();
  assertEquals([item?.state, item?.reason], [
    "unmatched",
    "no endpoint names default/web-1, and no network of t is the default or selects it",
  ]);
  const nowhere = await why(agent, "web-1");
  assertEquals(nowhere.state, "nowhere");
  assertStringIncludes(nowhere.reason, "no network of t is the default or selects it");
  assertStringIncludes(nowhere.notes.join(), "on host1 without a network");
  assertEquals((await applyOn(agent, tenantOf([blue()]))).code, 0);
  await waitFor(
    "the pod to be connected",
    async () => (await agent.attachments())[0]?.state === "ready",
  );
  const later = tenantOf([{ Name: "red", Endpoints: [{ Container: "web-1" }] }]);
  const applied = await applyOn(agent, later);
  assertEquals(applied.code, 0);
  assertMatch(
    applied.out,
    /^! default\/web-1 keeps its endpoint t\/blue\/default~web-1 until it is torn down and set up again: endpoint t\/red\/web-1 names it now$/m,
  );
  await agent.setup(pod);
  assertEquals((await agent.attachments()).map(({ network }) => network), ["blue"]);
  const answer = await why(agent, "default/web-1");
  assertEquals([answer.state, answer.places[0]?.rule], [
    "attached",
    "default network of tenant t for namespace default",
  ]);
  assertMatch(
    answer.notes.join(),
    /endpoint t\/red\/web-1 names it now; .*: tear it down and set it up again/,
  );
  assertEquals((await agent.verb("teardown", pod)).code, 0);
  await agent.setup(pod);
  assertEquals((await agent.attachments()).map(({ network }) => network), ["red"]);
});

Deno.test("namespaces that the intent does not let in get nothing, and --unmatched fail says so", async () => {
  const networks = [blue({ Namespaces: ["shop"] }), { Name: "red" }];
  await using host = await startHost(tenantOf(networks, { Namespaces: ["default", "shop"] }));
  const { agent } = host;
  const [inShop, inDefault] = [await host.pod("web-1", "shop"), await host.pod("web-1")];
  await agent.setup(inShop);
  await agent.setup(inDefault);
  assertEquals((await agent.attachments()).map(({ pod, state }) => `${pod.namespace} ${state}`), [
    "default unmatched",
    "shop ready",
  ]);
  const expected = await why(agent, "shop/web-9");
  assertEquals([expected.state, expected.places[0]?.address], ["expected", "10.9.0.2"]);
  await agent.stop();
  await agent.start("--unmatched", "fail");
  const { code, err } = await agent.verb("setup", inDefault);
  assertEquals(code, 3);
  assertStringIncludes(err, "no network of t is the default or selects it; add an endpoint");
});

Deno.test("labels that Docker keeps of a pod choose its network, and a refused choice says why", async () => {
  const groups = { Namespaces: ["default", "shop"] };
  const networks = [
    blue(),
    { Name: "red", PodSelector: { matchLabels: { app: "db" } } },
    { Name: "green", PodSelector: { matchLabels: { tier: "back" } } },
    { Name: "closed", Namespaces: ["shop"] },
  ];
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-test-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const dockerd = stack.use(await startDockerd(dir));
  const host = stack.use(await startHost(tenantOf(networks, groups), "--docker", dockerd.address));
  const { agent } = host;
  const start = (pod: string, labels: Record<string, string>, namespace = "default") =>
    dockerd.runContainer(
      ...["--name", `k8s_POD_${pod}_${namespace}_0a1b2c3d_0`],
      ...Object.entries(labels).flatMap(([key, value]) => ["--label", `${key}=${value}`]),
    );
  const setup = async (pod: string, labels: Record<string, string>, namespace = "default") => {
    const id = await start(pod, labels, namespace);
    const { code, err } = await agent.call("setup", namespace, pod, id);
    const item = (await agent.attachments()).find(({ sandbox }) => sandbox === id);
    return `${code} ${item?.network || err}`;
  };
  const network = "io.contiv.network";
  assertEquals(await setup("plain", {}), "0 blue");
  assertEquals(await setup("by-label", { [network]: "red" }), "0 red");
  assertEquals(await setup("by-annotation", { [`annotation.${network}`]: "red" }), "0 red");
  assertEquals(await setup("selected", { app: "db" }), "0 red");
  assertEquals(await setup("open", { [network]: "closed" }, "shop"), "0 closed");
  const refused: readonly (readonly [string, Record<string, string>, RegExp])[] = [
    ["unknown-net", { [network]: "nix" }, /^3 k8contivnet: .*network nix does not exist/],
    ["unknown-tenant", { "io.contiv.tenant": "nix" }, /^3 .*tenant nix does not exist/],
    ["not-allowed", { [network]: "closed" }, /^4 .*may not use network t\/closed: .* add default/],
    ["two", { app: "db", tier: "back" }, /^4 .*selectors of t\/red and t\/green match it/],
  ];
  for (const [pod, labels, words] of refused) {
    assertMatch((await setup(pod, labels)).replace(/ $/, ""), words);
    const answer = await why(agent, pod);
    assertEquals(answer.state, "refused");
    assertStringIncludes(await agent.logText(), answer.reason);
  }
  await assertAudit(agent);
});

Deno.test("garbage collection releases the address of a pod that ended without a teardown", async () => {
  await using host = await startHost(tenantOf([blue()]), "--grace", "1");
  const { agent } = host;
  const pod = await host.pod("web-1");
  await agent.setup(pod);
  assertEquals((await poolOf(agent)).used, 1);
  await pod[Symbol.asyncDispose]();
  await waitFor("the address to be free", async () => (await poolOf(agent)).used === 0);
  const reason = /detached pod=default\/web-1 .*why="its sandbox is gone"/;
  await waitFor("the reason", async () => reason.test(await agent.logText()));
  await assertAudit(agent);
});

Deno.test("a lost record of a living pod's endpoint is rebuilt, and no packet is lost", async () => {
  await using host = await startHost(tenantOf([blue()]));
  const { agent } = host;
  const [one, two] = [await host.pod("web-1"), await host.pod("web-2")];
  await agent.setup(one);
  await agent.setup(two);
  const address = await agent.addressOf(two);
  const pinging = lostPings(one, address, { count: 250 });
  // First the record and its claim; then all that the store knew of the pod.
  for (const lost of ["key NOT LIKE 'attachments/%'", "true"]) {
    await agent.stop("SIGKILL");
    const database = new DatabaseSync(`${agent.stateDir}/store.db`);
    database.exec(`DELETE FROM documents WHERE value LIKE '%web-2%' AND ${lost}`);
    database.close();
    await agent.start();
    assertEquals(await agent.addressOf(two), address);
    await assertAudit(agent);
  }
  assertEquals(await pinging, []);
  assertStringIncludes(await agent.logText(), "endpoint restored");
});

const MOMENTS = 8;

Deno.test(`kill -9 of the agent at ${MOMENTS} moments of a burst leaves no address without its pod`, async () => {
  await using host = await startHost(tenantOf([blue()]));
  const { agent } = host;
  const before = await worldOf(host);
  for (let moment = 0; moment < MOMENTS; moment++) {
    await using crowd = new AsyncDisposableStack();
    const pods = [];
    for (let n = 0; n < 6; n++) pods.push(crowd.use(await host.pod(`web-${n}`)));
    const burst = pods.map((pod) => agent.verb("setup", pod));
    await new Promise((done) => setTimeout(done, moment * 12));
    await agent.stop("SIGKILL");
    await agent.start();
    for (const { code, err } of await Promise.all(burst)) assertEquals(code, 0, err);
    assertEquals((await agent.attachments()).map(({ state }) => state), pods.map(() => "ready"));
    assertEquals((await poolOf(agent)).used, 6);
    await assertAudit(agent);
    const ends = pods.map((pod) => agent.verb("teardown", pod));
    await new Promise((done) => setTimeout(done, moment * 6));
    await agent.stop("SIGKILL");
    await agent.start();
    await Promise.all(ends);
    // What the kill cut off is asked again, as kubelets do.
    for (const pod of pods) assertEquals((await agent.verb("teardown", pod)).code, 0);
    assertEquals((await poolOf(agent)).used, 0);
    await assertAudit(agent);
  }
  await assertNothingLeft(host, before);
});
