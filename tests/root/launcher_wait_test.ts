// Calls that come before the agent, as on a node that boots: launchers wait for it, and the agent holds what comes while it
// starts. So none needs a program of its own.

import { assertEquals, assertMatch } from "@std/assert";
import type { LabAgent } from "../lab/agent.ts";
import {
  callCni,
  FACE,
  type LauncherLab,
  startLauncherAgent,
  startLauncherLab,
} from "../lab/launcher.ts";
import { type Host, intentOf, startHost } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";
import { writeVariant } from "../lab/one_file.ts";
import { run } from "../lab/run.ts";
import { waitFor } from "../lab/wait.ts";
import { callOf } from "../unit/cni/cni_cases.ts";

/** With this a call can only be answered by the agent: a face has no cache to start from. */
const NO_FACE = { K8CONTIVNET_CACHE: "nowhere" };
const LEFT_TO_FACE = /^k8contivnet: cache folder "nowhere" is not an absolute path/;
const NOTHING = { code: 0, out: "", err: "" };
const DONE = { code: 0, out: "{}\n", err: "" };

/** Leaves what an agent at `socket` has left in a state folder; returns a call's environment for it. */
async function stateOf({ dir }: Pick<LauncherLab, "dir">, socket: string) {
  const state = await Deno.makeTempDir({ dir });
  await Deno.writeTextFile(`${state}/socket`, `${socket}\n`);
  return { K8CONTIVNET_STATE_DIR: state };
}

Deno.test("ADDs that come before the agent wait for it, and are answered by it", async () => {
  await using lab = await startLauncherLab();
  const state = await stateOf(lab, lab.socket);
  const more = { ...state, ...NO_FACE, K8CONTIVNET_SETUP_SECONDS: "1000" };
  const calls = [1, 2, 3, 4].map((n) => callCni(lab, callOf("ADD", { n }), { more }));
  await allWait(calls.length);
  await using agent = await startLauncherAgent(lab, "at once");
  for (const ended of await Promise.all(calls)) assertEquals(ended, DONE);
  assertEquals((await agent.calls()).length, calls.length);
});

Deno.test("calls that come after an agent was killed wait for the next one", async () => {
  await using lab = await startLauncherLab();
  const killed = await startLauncherAgent(lab, "at once");
  await killed.kill(); // its socket stays
  const more = { ...NO_FACE, K8CONTIVNET_SETUP_SECONDS: "1000" };
  const calls = [1, 2].map((n) => callCni(lab, callOf("ADD", { n }), { more }));
  await allWait(calls.length);
  await using _agent = await startLauncherAgent(lab, "at once");
  for (const ended of await Promise.all(calls)) assertEquals(ended, DONE);
});

Deno.test("an agent that does not come is not waited for longer than the limit", async () => {
  await using lab = await startLauncherLab();
  const more = { ...await stateOf(lab, lab.socket), K8CONTIVNET_SETUP_SECONDS: "2" };
  const add = callOf("ADD");
  assertEquals(await callCni(lab, add, { more }), { code: 7, out: FACE + add.config, err: "" });
  const file = `${lab.dir}/waits`;
  await writeVariant(file, 'printf %s "$K8CONTIVNET_WAITED"');
  const waited = async (command: string) =>
    (await callCni({ ...lab, file }, callOf(command), { more })).out;
  assertEquals([await waited("ADD"), await waited("DEL"), await waited("STATUS")], ["1", "4", ""]);
});

Deno.test("an agent that had another socket, or never ran here, is not waited for", async () => {
  await using lab = await startLauncherLab();
  for (const state of [await stateOf(lab, "/run/other.sock"), {}]) {
    const more = { ...state, K8CONTIVNET_SETUP_SECONDS: "1000" };
    const add = callOf("ADD");
    const ended = await callCni(lab, add, { more });
    assertEquals(ended, { code: 7, out: FACE + add.config, err: "" });
  }
});

Deno.test("where a configuration names another agent, this one is not waited for", async () => {
  await using lab = await startLauncherLab();
  const more = { ...await stateOf(lab, lab.socket), K8CONTIVNET_SETUP_SECONDS: "1000" };
  for (
    const text of ['{"socket":"/run/other.sock"}', String.raw`{"\u0073ocket":"/run/other.sock"}`]
  ) {
    const ended = await callCni(lab, { ...callOf("ADD"), config: text }, { more });
    assertEquals(ended, { code: 7, out: FACE + text, err: "" });
  }
});

/** Returns the pids of the launchers that this test has started and that wait: they sleep, and have begun a while ago. */
async function waiting(): Promise<string[]> {
  const lines = (await run("ps", ["-e", "-o", "pid=,ppid=,stat=,comm="])).split("\n");
  return lines.map((line) => line.trim().split(/\s+/))
    .filter(([, parent, state, command]) =>
      Number(parent) === Deno.pid && state?.startsWith("S") && LAUNCHERS.includes(command ?? "")
    )
    .map(([pid = ""]) => pid);
}

/** Names of the files that are called here: that of a lab of launchers, and the built one. */
const LAUNCHERS = ["file", "k8contivnet"];

/** Waits until `count` launchers have begun to wait. */
async function allWait(count: number): Promise<void> {
  const seen = new Set<string>();
  await waitFor("all to wait", async () => {
    for (const pid of await waiting()) seen.add(pid);
    return seen.size === count;
  });
}

/** Calls a kubelet's verb so that only the agent can answer it. */
function verbByLauncher(agent: LabAgent, verb: "setup" | "status", { namespace, name, id }: Pod) {
  const env = { ...NO_FACE, K8CONTIVNET_STATE_DIR: agent.stateDir };
  return agent.callWith(env, verb, namespace, name, id);
}

async function podsOf(host: Host, count: number): Promise<Pod[]> {
  return await Promise.all(Array.from({ length: count }, (_, n) => host.pod(`pod${n}`)));
}

Deno.test("forty pods of a node that boots come before the agent: all are set up, by the launcher", async () => {
  await using host = await startHost(intentOf(40));
  const pods = await podsOf(host, 40);
  await host.agent.stop();
  const calls = pods.map((pod) => verbByLauncher(host.agent, "setup", pod));
  await allWait(calls.length);
  await host.agent.start();
  for (const ended of await Promise.all(calls)) assertEquals(ended, NOTHING);
  assertEquals((await host.agent.attachments()).length, pods.length);
});

Deno.test("set-ups that come while the agent starts are held until it is ready", async () => {
  await using host = await startHost(intentOf(10));
  const pods = await podsOf(host, 10);
  await host.agent.stop();
  const starting = host.agent.start();
  await waitFor("the socket", () => Deno.stat(host.agent.socket).then(() => true, () => false));
  const calls = pods.map((pod) => verbByLauncher(host.agent, "setup", pod));
  await starting;
  for (const ended of await Promise.all(calls)) assertEquals(ended, NOTHING);
});

Deno.test("a set-up for which no agent comes ends in its limit, with the reason", async () => {
  await using host = await startHost(intentOf(1));
  const { agent } = host;
  const [pod] = await podsOf(host, 1);
  await agent.stop();
  const env = { K8CONTIVNET_STATE_DIR: agent.stateDir, K8CONTIVNET_SETUP_SECONDS: "2" };
  const { code, err } = await agent.callWith(env, "setup", pod!.namespace, pod!.name, pod!.id);
  assertEquals(code, 5);
  assertMatch(err, /^k8contivnet: agent at \S+ is unreachable: no such socket; /);
});

Deno.test("a status before the agent is not waited for", async () => {
  await using host = await startHost(intentOf(1));
  const [pod] = await podsOf(host, 1);
  await host.agent.stop();
  const { err } = await verbByLauncher(host.agent, "status", pod!);
  assertMatch(err, LEFT_TO_FACE);
});
