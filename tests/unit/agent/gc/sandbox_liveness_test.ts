// Whether sandboxes are alive: kernel and runtime must agree before one is dead, and a container that was
// restarted is attached again.

import { assert, assertEquals } from "@std/assert";
import { checkSandboxes, isAliveOrUnknown } from "../../../../lib/agent/gc/sandbox_liveness.ts";
import type { PodRequest } from "../../../../lib/agent/api/pod_requests.ts";
import { Containers } from "../../../../lib/agent/pods/known_containers.ts";
import type { ListedSandbox, Sandbox } from "../../../../lib/runtimes/runtime.ts";
import { KeyedQueue } from "../../../../lib/util/async/keyed_queue.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { LogDedup } from "../../../../lib/util/log_dedup.ts";
import { MemoryLog } from "../../../memory/memory_log.ts";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { attachmentOf, documentsOf } from "../pods/dynamic_records.ts";

const ID = "5bweb";
const away = new Fault("unavailable", "the runtime does not answer");
const gone = { id: ID, netns: "", netnsInode: 0, isHostNetwork: false, isRunning: false };
const running = { ...gone, netns: "/run/netns/y", netnsInode: 8, isRunning: true };
const pod = { namespace: "default", name: "web" };

/** What kernel and runtime say about a sandbox; a Fault means that there is no answer. */
interface Witness {
  readonly isAlive: boolean | Fault;
  readonly found?: Sandbox | Fault;
  /** Whether it was listed before, as a container without a kubelet. */
  readonly isPlain?: boolean;
  /** The list of now; undefined where there is no runtime. */
  readonly listed?: readonly ListedSandbox[] | Fault;
}

const answer = <T>(value: T | Fault): Promise<T> =>
  value instanceof Fault ? Promise.reject(value) : Promise.resolve(value);

/** Returns what checking works with, with one attachment for each sandbox. */
function depsOf(witness: Witness, attachments = [attachmentOf("web", "10.9.0.1")]) {
  const log = new MemoryLog();
  const containers = new Containers();
  const isAttached = () => true;
  if (witness.isPlain) {
    containers.take(attachments.map(({ sandbox }) => ({ id: sandbox, name: sandbox })), {
      ...{ now: 0, isAttached },
    });
  }
  const [setUps, calls]: [PodRequest[], string[]] = [[], []];
  const deps = {
    host: "host1",
    store: { documents: documentsOf({ attachments }) },
    runtimes: {
      isAlive: () => answer<boolean>(witness.isAlive),
      findSandbox: (id: string) => {
        calls.push(`find ${id}`);
        return answer<Sandbox | undefined>(witness.found);
      },
      listSandboxes: () => {
        calls.push("list");
        return answer<readonly ListedSandbox[] | undefined>(witness.listed);
      },
    },
    sandboxes: { queue: new KeyedQueue(), containers },
    ...{ log, logDedup: new LogDedup() },
    setUpLate: (request: PodRequest): Promise<unknown> => {
      setUps.push(request);
      return Promise.resolve();
    },
  };
  return { deps, log, setUps, calls };
}

const STATES: readonly (readonly [string, Witness, string])[] = [
  ["its namespace is there", { isAlive: true }, "alive"],
  ["whether its namespace exists cannot be checked", { isAlive: away }, "alive"],
  ["it runs in another namespace", { isAlive: false, found: running }, "moved"],
  [
    "it runs in the host's network now",
    { isAlive: false, found: { ...running, isHostNetwork: true } },
    "missing",
  ],
  ["its plain container has ended", { isAlive: false, found: gone }, "dead"],
  [
    "its infra container has ended, which a kubelet replaces",
    { isAlive: false, found: { ...gone, pod } },
    "missing",
  ],
  ["the runtime does not answer", { isAlive: false, found: away }, "missing"],
  ["no runtime knows it, and it was a pod", { isAlive: false, listed: [] }, "missing"],
  ["no runtime knows it, and it was a plain container", {
    ...{ isAlive: false, isPlain: true, listed: [] },
  }, "dead"],
  ["it is unknown, and there is no runtime", { isAlive: false, isPlain: true }, "missing"],
  ["it is unknown, and the runtime cannot list", {
    ...{ isAlive: false, isPlain: true, listed: away },
  }, "missing"],
  ["it is not found, but listed", {
    ...{ isAlive: false, isPlain: true, listed: [{ id: ID, name: ID }] },
  }, "missing"],
];

for (const [what, witness, state] of STATES) {
  Deno.test(`a sandbox is ${state} where ${what}`, async () => {
    const { deps } = depsOf(witness);
    const { stateById, hasMoved, failed } = await checkSandboxes(deps);
    assertEquals([...stateById], [["id-web", state]]);
    assertEquals([hasMoved, failed], [state === "moved", 0]);
  });
}

Deno.test("all sandboxes are checked, and those that are unknown share one list", async () => {
  const names = Array.from({ length: 20 }, (_, at) => `p${at}`);
  const attachments = names.map((name) => attachmentOf(name, "10.9.0.1"));
  const { deps, calls } = depsOf({ isAlive: false, isPlain: true, listed: [] }, attachments);
  const { stateById } = await checkSandboxes(deps);
  assertEquals([...new Set(stateById.values())], ["dead"]);
  assertEquals([stateById.size, calls.filter((call) => call === "list").length], [20, 1]);
});

Deno.test("the runtime is not asked about sandboxes whose namespaces exist", async () => {
  const { deps, calls } = depsOf({ isAlive: true });
  await checkSandboxes(deps);
  assertEquals(calls, []);
});

Deno.test("isAliveOrUnknown() logs a runtime that does not answer", async () => {
  const { deps, log } = depsOf({ isAlive: away });
  assertEquals(await isAliveOrUnknown(deps, attachmentOf("web", "10.9.0.1")), true);
  assert(log.lines[0]?.includes("the runtime does not answer"), log.lines[0]);
});

// ---- a sandbox that runs in another namespace is attached again

const moved: Witness = { isAlive: false, found: running };

Deno.test("a sandbox that moved is attached again, once for all its interfaces", async () => {
  const first = attachmentOf("web", "10.9.0.1");
  const second = { ...first, id: "id-2", interface: "eth1" };
  const { deps, setUps } = depsOf(moved, [first]);
  deps.store.documents.set(`attachments/host1/${ID}/eth1`, { value: second, revision: 5 });
  await checkSandboxes(deps);
  assertEquals(setUps, [{ ...pod, sandbox: ID }]);
});

Deno.test("a sandbox that moved is left alone where a teardown came first", async () => {
  const { deps, setUps } = depsOf(moved);
  const teardown = deps.sandboxes.queue.run(ID, async () => {
    await new Promise((done) => setTimeout(done, 5));
    deps.store.documents.delete(`attachments/host1/${ID}/eth0`);
  });
  assertEquals((await checkSandboxes(deps)).failed, 0);
  await teardown;
  assertEquals(setUps, []);
});

for (
  const [code, failed, lines] of [
    ["unavailable", 1, 1],
    ["exhausted", 1, 1],
    ["not_found", 0, 0],
  ] as const
) {
  Deno.test(`a sandbox that moved and cannot be attached for ${code} counts as ${failed} failure`, async () => {
    const { deps, log } = depsOf(moved);
    deps.setUpLate = () => Promise.reject(new Fault(code, "not attached"));
    for (let times = 0; times < 3; times++) {
      assertEquals((await checkSandboxes(deps)).failed, failed);
    }
    const errors = log.lines.filter((line) => line.startsWith("error"));
    assertEquals(errors.length, lines);
    for (const line of errors) assert(line.includes("default/web"), line);
  });
}

Deno.test("what keeps a sandbox from being attached is logged again once it had worked", async () => {
  const { deps, log } = depsOf(moved);
  const works = deps.setUpLate;
  const breaks = () => Promise.reject(new Fault("failed", "not attached"));
  for (const setUpLate of [breaks, breaks, works, breaks]) {
    deps.setUpLate = setUpLate;
    await checkSandboxes(deps);
  }
  assertEquals(log.lines.length, 2);
});

// ---- a whole agent

async function startAttached(name: string): Promise<{ agent: MemoryAgent; sandbox: string }> {
  const agent = await startMemoryAgent();
  await agent.apply([{ Name: "n", Endpoints: [{ Container: "web" }] }]);
  await agent.agent.loops.reconcile.reconcileOnce();
  const sandbox = name === ""
    ? agent.host.runtimes.start({ name: "web" })
    : startPod(agent.host, "web").sandbox;
  await agent.setUp({ ...pod, sandbox });
  return { agent, sandbox };
}

for (const [what, name] of [["plain container", ""], ["infra container", "web"]] as const) {
  Deno.test(`a ${what} that was restarted has its address again after one reconciliation`, async () => {
    const { agent, sandbox } = await startAttached(name);
    using _ = agent;
    const before = agent.attachments();
    agent.host.runtimes.restart(sandbox);
    assertEquals(await agent.agent.loops.reconcile.reconcileOnce(), 0);
    const after = agent.attachments();
    assertEquals(after.map(({ addresses, mac, state }) => [addresses, mac, state]), [
      ...before.map(({ addresses, mac }) => [addresses, mac, "ready"]),
    ]);
    const { netns, netnsInode } = after[0]!;
    const namespace = agent.host.kernel.namespaceAt(netns)!;
    assertEquals(namespace.inode, netnsInode);
    assertEquals(namespace.links.get("eth0")?.addresses, ["10.9.0.1/24"]);
    assertEquals(agent.host.switch.rows.size, 1);
  });
}

Deno.test("a plain container that was killed is released by the next reconciliation", async () => {
  const { agent, sandbox } = await startAttached("");
  using _ = agent;
  agent.host.runtimes.kill(sandbox);
  await agent.agent.loops.reconcile.reconcileOnce();
  assertEquals([agent.attachments(), agent.host.switch.rows.size], [[], 0]);
});
