// `status` and `kube status` on an agent that is well, and on one that is not.

import { assertEquals, assertRejects } from "@std/assert";
import type { HealthAnswer, KubeHealth } from "../../../lib/agent/api/agent_health.ts";
import { kube } from "../../../lib/cli/kube.ts";
import { status } from "../../../lib/cli/status.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { fakeShell } from "./fake_shell.ts";

const KUBE: KubeHealth = {
  ...{ state: "up", why: "", server: "https://10.0.0.1:6443", node: "h1" },
  ...{ pods: 3, namespaces: 4, policies: 2, peers: 9 },
};

const HEALTH: HealthAnswer = {
  ...{ version: "0.1.0", host: "h1", pid: 4711, store: "etcd://10.0.0.1:2379", held: 0 },
  ...{ unreadable: [], ovsdb: "up", openflow: "up" },
  setups: { ready: 12, unmatched: 1, hostNetwork: 0, failed: 2 },
};

async function run(health: HealthAnswer, format: "table" | "json" = "table") {
  const shell = fakeShell([], { health: () => Promise.resolve(health) }, { format });
  await status.run(shell);
  return shell;
}

Deno.test("status of an agent that is well names its parts", async () => {
  const { stdout, stderr } = await run(HEALTH);
  assertEquals(stdout, [
    "PART                    STATE",
    "agent                   h1, version 0.1.0, pid 4711",
    "store                   etcd://10.0.0.1:2379, reachable",
    "pending writes          0",
    "ovsdb                   up",
    "openflow                up",
    "setups since its start  12 ready, 1 unmatched, 0 in the host's network, 2 failed",
  ]);
  assertEquals(stderr, []);
});

Deno.test("status shows the errors that Open vSwitch reports of our interfaces", async () => {
  const interfaceErrors = [
    { name: "contivBridge", error: "could not add network device (File exists)" },
    { name: "eth2", error: "could not open network device eth2 (No such device)" },
  ];
  const { stdout } = await run({ ...HEALTH, interfaceErrors });
  assertEquals(stdout.slice(5, 8), [
    "openflow                up",
    "interface contivBridge  error: could not add network device (File exists)",
    "interface eth2          error: could not open network device eth2 (No such device)",
  ]);
});

Deno.test("status says what keeps pods from other hosts, and the way out", async () => {
  const what = "tunnel address 192.0.2.1 cannot be used: it is on eth0";
  const { stdout } = await run({
    ...HEALTH,
    fabric: [{ part: "overlay", state: "failed", what, fix: "move it" }],
  });
  assertEquals(stdout.at(-1), `overlay                 failed: ${what}; move it`);
});

Deno.test("status of an agent of an older version, which counts no set-ups, has no line for them", async () => {
  const { setups: _, ...older } = HEALTH;
  const { stdout } = await run(older);
  assertEquals(stdout.at(-1), "openflow        up");
});

Deno.test("status says what is wrong and why, and names unreadable records on stderr", async () => {
  const { stdout, stderr } = await run({
    ...HEALTH,
    ...{ storeAway: "connection refused", held: 12, ovsdb: "down", openflow: "down" },
    ...{ policies: "OVS refused a bundle", unreadable: ["record tenants/x: schema 9"] },
    kube: { ...KUBE, state: "down", why: "API server refused the token" },
  });
  assertEquals(stdout.slice(2), [
    "store                   etcd://10.0.0.1:2379, unreachable: connection refused",
    "pending writes          12",
    "ovsdb                   down",
    "openflow                down",
    "setups since its start  12 ready, 1 unmatched, 0 in the host's network, 2 failed",
    "policies                not installed: OVS refused a bundle",
    "Kubernetes              unreachable: API server refused the token",
  ]);
  assertEquals(stderr, ["record tenants/x: schema 9"]);
});

Deno.test("status of an agent with a cluster names the API server, or that it has not answered", async () => {
  const up = await run({ ...HEALTH, kube: KUBE });
  assertEquals(up.stdout.at(-1), "Kubernetes              up at https://10.0.0.1:6443");
  const early = await run({ ...HEALTH, kube: { ...KUBE, state: "down" } });
  assertEquals(early.stdout.at(-1), "Kubernetes              unreachable: it has not answered yet");
});

Deno.test("status -o json prints the agent's answer as it is", async () => {
  const health = { ...HEALTH, kube: KUBE, unreadable: ["x"] };
  const { stdout, stderr } = await run(health, "json");
  assertEquals([JSON.parse(stdout.join("\n")), stderr], [health, []]);
});

Deno.test("kube status prints what the informers hold", async () => {
  const health = () => Promise.resolve({ ...HEALTH, kube: KUBE });
  const shell = fakeShell(["status"], { health });
  await kube.run(shell);
  const held = "3 pods of node h1, 4 namespaces, 2 policies, 9 pods for policy selectors";
  assertEquals(shell.stdout, [`up at https://10.0.0.1:6443: ${held}`]);
  const json = fakeShell(["status"], { health }, { format: "json" });
  await kube.run(json);
  assertEquals(JSON.parse(json.stdout.join("\n")), KUBE);
});

Deno.test("kube status fails as unavailable without a cluster, or with one that is unreachable", async () => {
  const none = fakeShell(["status"], { health: () => Promise.resolve(HEALTH) });
  const unknown = await assertRejects(async () => await kube.run(none), Fault);
  assertEquals([unknown.code, none.stdout], ["unavailable", []]);
  const down = { ...KUBE, state: "down" as const, why: "connection refused" };
  const shell = fakeShell(["status"], { health: () => Promise.resolve({ ...HEALTH, kube: down }) });
  const fault = await assertRejects(async () => await kube.run(shell), Fault, "connection refused");
  assertEquals([fault.code, shell.stdout.length], ["unavailable", 1]);
});
