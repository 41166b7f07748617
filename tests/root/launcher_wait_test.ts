// Calls that come before the agent, as on a node that boots: launchers wait for it as shells, and the agent holds what
// comes while it starts. So none needs a program of its own.

import { assertEquals, assertMatch } from "@std/assert";
import type { LabAgent } from "../lab/agent.ts";
import {
  callCni,
  type CniDoor,
  FACE,
  openCniDoor,
  SHELLS,
  startDoorAgent,
  waitUntilNothingIsLeft,
} from "../lab/cni_door.ts";
import { type Host, intentOf, startHost } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";
import { writeVariant } from "../lab/one_file.ts";
import { run } from "../lab/run.ts";
import { waitFor } from "../lab/wait.ts";
import { callOf } from "../unit/cni/cni_cases.ts";

/** With this a call can only be answered by the door: a face has no cache to start from. */
const DOOR_ONLY = { K8CONTIVNET_CACHE: "nowhere" };
const NO_DOOR = /^k8contivnet: cache folder "nowhere" is not an absolute path/;
const NOTHING = { code: 0, out: "", err: "" };

/** Leaves what an agent at `socket` has left in a state folder; returns a call's environment for it. */
async function stateOf({ dir }: Pick<CniDoor, "dir">, socket: string) {
  const state = await Deno.makeTempDir({ dir });
  await Deno.writeTextFile(`${state}/socket`, `${socket}\n`);
  return { K8CONTIVNET_STATE_DIR: state };
}

for (const shell of SHELLS) {
  const by = shell.join(" ") || "the file";
  Deno.test(`${by}: ADDs that come before the agent wait for it, and are answered by the door`, async () => {
    await using door = await openCniDoor();
    const state = await stateOf(door, door.socket);
    const more = { ...state, ...DOOR_ONLY, K8CONTIVNET_SETUP_SECONDS: "1000" };
    const calls = [1, 2, 3, 4].map((n) => callCni(door, callOf("ADD", { n }), { shell, more }));
    await allWait(calls.length);
    await using agent = await startDoorAgent(door, "at once");
    for (const ended of await Promise.all(calls)) {
      assertEquals(ended, { code: 0, out: "{}\n", err: "" });
    }
    assertEquals((await agent.calls()).length, calls.length);
    await waitUntilNothingIsLeft(door);
  });

  Deno.test(`${by}: an agent that does not come is not waited for longer than the limit`, async () => {
    await using door = await openCniDoor();
    const more = { ...await stateOf(door, door.socket), K8CONTIVNET_SETUP_SECONDS: "2" };
    const add = callOf("ADD");
    assertEquals(await callCni(door, add, { shell, more }), {
      code: 7,
      out: FACE + add.config,
      err: "",
    });
    assertEquals(await waiting(), []);
    const file = `${door.dir}/waits`;
    await writeVariant(file, 'printf %s "$K8CONTIVNET_WAITED"');
    assertEquals((await callCni({ ...door, file }, add, { shell, more })).out, "1");
    assertEquals((await callCni({ ...door, file }, callOf("DEL"), { shell, more })).out, "4");
  });

  Deno.test(`${by}: an agent that had another socket, or never ran here, is not waited for`, async () => {
    await using door = await openCniDoor();
    for (const state of [await stateOf(door, "/run/other.sock"), {}]) {
      const more = { ...state, K8CONTIVNET_SETUP_SECONDS: "1000" };
      const add = callOf("ADD");
      const ended = await callCni(door, add, { shell, more });
      assertEquals(ended, { code: 7, out: FACE + add.config, err: "" });
    }
  });
}

/** Returns the pids of the launchers that this test has started and that wait: each by a `sleep`. */
async function waiting(): Promise<string[]> {
  const lines = (await run("ps", ["-e", "-o", "pid=,ppid=,comm="])).split("\n");
  const processes = lines.map((line) => line.trim().split(/\s+/));
  const own = processes.filter(([, parent]) => Number(parent) === Deno.pid).map(([pid]) => pid);
  return processes.flatMap(([, parent = "", command]) =>
    command === "sleep" && own.includes(parent) ? [parent] : []
  );
}

/** Waits until `count` launchers have begun to wait. */
async function allWait(count: number): Promise<void> {
  const seen = new Set<string>();
  await waitFor("all to wait", async () => {
    for (const pid of await waiting()) seen.add(pid);
    return seen.size === count;
  });
}

/** Calls a kubelet's verb so that only the door can answer it. */
function verbByDoor(agent: LabAgent, verb: "setup" | "status", { namespace, name, id }: Pod) {
  const env = { ...DOOR_ONLY, K8CONTIVNET_STATE_DIR: agent.stateDir };
  return agent.callWith(env, verb, namespace, name, id);
}

async function podsOf(host: Host, count: number): Promise<Pod[]> {
  return await Promise.all(Array.from({ length: count }, (_, n) => host.pod(`pod${n}`)));
}

Deno.test("forty pods of a node that boots come before the agent: all are set up, by the door", async () => {
  await using host = await startHost(intentOf(40));
  const pods = await podsOf(host, 40);
  await host.agent.stop();
  const calls = pods.map((pod) => verbByDoor(host.agent, "setup", pod));
  // One that comes between the agent's socket and its door asks by the socket.
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
  const doorOpens = () =>
    Deno.stat(`${host.agent.socket}.door/agent`).then(() => true, () => false);
  await waitFor("the door", doorOpens);
  const calls = pods.map((pod) => verbByDoor(host.agent, "setup", pod));
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
  const { err } = await verbByDoor(host.agent, "status", pod!);
  assertMatch(err, NO_DOOR);
});
