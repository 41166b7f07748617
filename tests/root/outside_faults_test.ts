// The outside fails for real while a pod is set up: it hangs, is full, is locked, loses its answer. One
// sentence with 5 or 6 within 60 s, nothing left, and the next setup works.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { run } from "../lab/run.ts";
import type { LabAgent } from "../lab/agent.ts";
import { startCluster } from "../lab/cluster.ts";
import { becomes, tracesOf } from "../lab/faults.ts";
import { openFiles } from "../lab/files.ts";
import { freezeProcess } from "../lab/freeze.ts";
import { type Host, intentOf, startHost } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";
import { startUnixProxy } from "../lab/proxy.ts";
import { intentOf as vxlanIntentOf } from "../lab/scenarios/scenario.ts";
import { waitFor } from "../lab/wait.ts";
import { scaled } from "../lab/limits.ts";

/** Sets a pod up as a kubelet does; checks that it is refused in time, in one sentence. */
async function assertRefused(agent: LabAgent, pod: Pod, says: RegExp): Promise<void> {
  const started = performance.now();
  const { code, out, err } = await agent.verb("setup", pod);
  assert(performance.now() - started < scaled(75_000), "no answer within 60 s");
  assert(code === 5 || code === 6, `exit code ${code}: ${err}`);
  assertEquals(out, "");
  assertMatch(err, says);
  assert(!err.includes("\n") && err.length <= 200, err);
}

/** Breaks the outside by `hit`; `repair` ends it. */
interface Trouble {
  readonly what: string;
  readonly flags?: readonly string[];
  readonly says: RegExp;
  /** Returns what ends the trouble. */
  readonly hit: (host: Host) => Promise<() => unknown>;
}

function stopped(pid: number | undefined): () => void {
  freezeProcess(pid!);
  return () => Deno.kill(pid!, "SIGCONT");
}

const TROUBLES: readonly Trouble[] = [
  {
    what: "ovs-vswitchd stands still",
    says: /ovs-vswitchd|port cv/,
    hit: ({ ovs }) => Promise.resolve(stopped(ovs.vswitchdPid)),
  },
  {
    what: "ovsdb-server stands still",
    says: /ovsdb|port cv|agent at|Open vSwitch/,
    hit: ({ ovs }) => Promise.resolve(stopped(ovs.ovsdbPid)),
  },
  {
    what: "the store's file is locked by another program",
    says: /store/,
    hit: ({ agent }) => {
      const database = new DatabaseSync(`${agent.stateDir}/store.db`);
      database.exec("BEGIN IMMEDIATE");
      return Promise.resolve(() => database.close());
    },
  },
];

for (const { what, flags = [], says, hit } of TROUBLES) {
  Deno.test(`${what}: setup ends within 60 s with 5 or 6 and leaves nothing`, async () => {
    await using host = await startHost(intentOf(2), ...flags);
    const [peer, pod] = [await host.pod("pod0"), await host.pod("pod1")];
    await host.agent.setup(peer);
    const before = await tracesOf(host);
    const repair = await hit(host);
    try {
      await assertRefused(host.agent, pod, says);
    } finally {
      await repair();
    }
    await becomes(host, before, 40_000);
    await host.agent.setup(pod);
    assert(await pod.reaches("10.9.0.1"));
  });
}

Deno.test("ip hangs: setup ends within 60 s with 5 or 6, leaves nothing, and the next one works", async () => {
  await using host = await startHost(
    intentOf(2),
    "--link-driver",
    "ip",
    "--call-limit",
    `${scaled(2)}`,
  );
  const [peer, pod] = [await host.pod("pod0"), await host.pod("pod1")];
  const [real] = (await run("sh", ["-c", "command -v ip"])).split("\n");
  const bin = `${host.dir}/bin`;
  await Deno.mkdir(bin);
  const script = `#!/bin/sh\n[ ! -e ${bin}/hang ] || exec sleep 600\nexec ${real} "$@"\n`;
  await Deno.writeTextFile(`${bin}/ip`, script, { mode: 0o755 });
  await host.agent.stop();
  host.agent.agentEnv.PATH = `${bin}:${Deno.env.get("PATH")}`;
  await host.agent.start();
  await host.agent.setup(peer);
  const before = await tracesOf(host);
  await Deno.writeTextFile(`${bin}/hang`, "");
  await assertRefused(host.agent, pod, /ip did not (end|answer)|kernel did not answer/);
  await Deno.remove(`${bin}/hang`);
  await becomes(host, before, 40_000);
  await host.agent.setup(pod);
  assert(await pod.reaches("10.9.0.1"));
});

Deno.test("ovsdb-server does what it is asked and its answer is lost: setup and teardown end as if it had come", async () => {
  await using host = await startHost(intentOf(2));
  await host.agent.stop();
  using proxy = startUnixProxy(`${host.dir}/proxy.sock`, host.ovs.dbSocket);
  const rundir = ["--ovs-rundir", host.ovs.rundir];
  await host.agent.start("--ovsdb", `unix:${proxy.endpoint}`, ...rundir);
  const [peer, pod] = [await host.pod("pod0"), await host.pod("pod1")];
  await host.agent.setup(peer);
  const before = await tracesOf(host);
  for (let n = 1; n <= 3; n++) {
    for (const verb of ["setup", "teardown"] as const) {
      const lost = proxy.lost;
      proxy.mode = "lose-answers";
      const call = host.agent.verb(verb, pod);
      await waitFor("an answer to be lost", () => proxy.lost > lost);
      proxy.mode = "open";
      assertEquals(await call, { code: 0, out: "", err: "" });
      if (verb === "setup") assert(await pod.reaches("10.9.0.1"));
    }
    await becomes(host, before);
  }
});

Deno.test("etcd is frozen: setup of a pod that is bound nowhere ends within 60 s, and works when etcd continues", async () => {
  const intent = vxlanIntentOf("vteps", { orange: ["c1", "c2"] });
  await using cluster = await startCluster({ hosts: 1, fabric: "wire", intent });
  const [host, etcd] = [cluster.host(1), cluster.etcd!];
  const [peer, pod] = [await host.pod("myContainer1"), await host.pod("myContainer2")];
  await host.agent.setup(peer);
  const keys = () => etcd.ctl("get", "--prefix", "--keys-only", "/lab/attachments/");
  const before = await keys();
  etcd.freeze(0);
  try {
    await assertRefused(host.agent, pod, /store|etcd/);
  } finally {
    etcd.thaw(0);
  }
  // What it had read before it stood still it may do now: then a look makes the claim true.
  await waitFor("all or nothing", async () => {
    const item = (await host.agent.attachments()).find(({ sandbox }) => sandbox === pod.id);
    return item ? item.state === "ready" : await keys() === before;
  });
  await host.agent.setup(pod);
  assert(await pod.reaches(await host.agent.addressOf(peer)));
});

Deno.test("the disk of the state folder is full: setup says so, leaves nothing, and works when there is room", async () => {
  await using host = await startHost(intentOf(2));
  await host.agent.stop();
  const { stateDir } = host.agent;
  await run("mount", ["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", stateDir]);
  try {
    await host.agent.start("--intent", `${host.dir}/intent.json`);
    const [peer, pod] = [await host.pod("pod0"), await host.pod("pod1")];
    await host.agent.setup(peer);
    const before = await tracesOf(host);
    await run("sh", ["-c", 'head -c 2m /dev/zero >"$1/ballast" 2>/dev/null || true', "", stateDir]);
    await assertRefused(host.agent, pod, /full/);
    await Deno.remove(`${stateDir}/ballast`);
    await becomes(host, before);
    await host.agent.setup(pod);
    assert(await pod.reaches("10.9.0.1"));
    await host.agent.stop();
  } finally {
    await run("umount", ["-l", stateDir]);
  }
});

Deno.test("files run out: setups that get none say so, the agent lives on, and nothing is left", async () => {
  const PODS = 20;
  await using host = await startHost(intentOf(PODS + 1));
  const peer = await host.pod(`pod${PODS}`);
  await host.agent.stop();
  await host.agent.start();
  await host.agent.setup(peer);
  // A few more than it has open at rest.
  const limit = (await openFiles(host.agent.pid)).length + 8;
  await host.agent.stop();
  host.agent.agentPrefix = ["prlimit", `--nofile=${limit}:${limit}`, "--"];
  await host.agent.start();
  const pods = await Promise.all(Array.from({ length: PODS }, (_, n) => host.pod(`pod${n}`)));
  const before = await tracesOf(host);
  const env = { K8CONTIVNET_SETUP_SECONDS: "0.1", K8CONTIVNET_DOOR: "none" };
  const ended = await Promise.all(
    pods.map(({ namespace, name, id }) => {
      return host.agent.callWith(env, "setup", namespace, name, id);
    }),
  );
  for (const { code, err } of ended) {
    assert(code === 0 || (err.length <= 200 && !err.includes("\n")), `${code}: ${err}`);
  }
  assert(ended.some(({ code }) => code !== 0), "there were files for all");
  console.log(`without files: ${ended.filter(({ code }) => code !== 0).length} of ${PODS} refused`);
  for (const pod of pods) assertEquals((await host.agent.verb("teardown", pod)).code, 0);
  await becomes(host, before, 40_000);
  await host.agent.setup(pods[0]!);
  // A socket that could not accept is opened again after a moment.
  const address = await waitFor(
    "the agent's socket",
    () => host.agent.addressOf(peer).catch(() => undefined),
  );
  assert(await pods[0]!.pings(address));
});

Deno.test("an intent of 50 MB is refused in a sentence, by whichever way, and costs the agent nothing", async () => {
  await using host = await startHost(intentOf(2));
  const [peer, pod] = [await host.pod("pod0"), await host.pod("pod1")];
  await host.agent.setup(peer);
  const peak = async () => {
    const status = await Deno.readTextFile(`/proc/${host.agent.pid}/status`);
    return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1_024;
  };
  const before = await peak();
  const endpoints = Array.from({ length: 500_000 }, (_, n) => ({
    Container: `pod-with-a-rather-long-name-${n}`,
    Host: "a-host-with-a-rather-long-label-too",
  }));
  const intent = { Tenants: [{ Name: "big", Networks: [{ Name: "n", Endpoints: endpoints }] }] };
  const text = JSON.stringify(intent);
  assert(text.length > 45_000_000);
  await Deno.writeTextFile(`${host.dir}/big.json`, text);
  for (const words of [["apply", "-f"], ["netdcli", "-add-cfg"]]) {
    const { code, err } = await host.agent.call(...words, `${host.dir}/big.json`);
    assertEquals(code, 2, err);
    assertMatch(
      err,
      /^(k8contivnet|netdcli): intent .*big\.json is too large: it has more than 8 MB; apply it in/,
    );
    assert(err.length <= 200 && !err.includes("\n"), err);
  }
  // A client that does not care, without a length and with one.
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: host.agent.socket } });
  const body = JSON.stringify({ mode: "add", text });
  for (const sent of [body, new Blob([body]).stream()]) {
    const response = await fetch("http://localhost/v1/apply", {
      method: "POST",
      body: sent,
      client,
    })
      .catch(() => undefined); // it may be cut off before all of it was sent
    assert(response === undefined || response.status === 400, `${response?.status}`);
    await response?.body?.cancel();
  }
  const grown = await peak() - before;
  console.log(`agent's peak grew by ${Math.round(grown)} MB`);
  assert(grown < 100, `${grown} MB`);
  await host.agent.setup(pod);
  assert(await pod.reaches("10.9.0.1"));
});
