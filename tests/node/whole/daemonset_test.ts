// The agents as pods: what `kube manifest` and `kube image` make, on two real nodes that have nothing of ours
// before but Open vSwitch.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { hangSignal } from "../../lab/limits.ts";
import { FILE } from "../../lab/host.ts";
import type { Kube } from "../../lab/kube.ts";
import { run } from "../../lab/run.ts";
import { waitFor } from "../../lab/wait.ts";
import { allReady, type KubeNodes, startKubeNodes, vxlanIntent } from "../lab/kube_nodes.ts";
import {
  applyObjects,
  deployment,
  ingressFrom,
  pingsFrom,
  readyPods,
  singlePod,
} from "../lab/workloads.ts";

const NAMESPACE = "kube-system";
const CONFLIST = "10-k8contivnet.conflist";
const SECRET = "etcd-client";

/** Creates the Secret with certificates for etcd. */
async function makeSecret({ kube, certificates }: KubeNodes): Promise<void> {
  const { ca, clientCert, clientKey } = certificates!;
  await kube.kubectl(
    ...["-n", NAMESPACE, "create", "secret", "generic", SECRET, `--from-file=ca.crt=${ca}`],
    ...[`--from-file=tls.crt=${clientCert}`, `--from-file=tls.key=${clientKey}`],
  );
}

/** Returns what `kube manifest` prints for these settings. */
async function manifestOf(
  dir: string,
  settings: Readonly<Record<string, unknown>>,
  intent: unknown,
) {
  await Deno.writeTextFile(`${dir}/agent.json`, JSON.stringify(settings));
  await Deno.writeTextFile(`${dir}/intent.json`, JSON.stringify(intent));
  const words = ["kube", "manifest", "-f", `${dir}/intent.json`];
  const more = ["--settings", `${dir}/agent.json`, "--etcd-secret", SECRET];
  return await run(FILE, [...words, ...more], { limitMs: 60_000 });
}

/** Writes the image with the built file, and imports it on all nodes. */
async function importImage({ nodes }: KubeNodes, dir: string): Promise<void> {
  await run(FILE, ["kube", "image", `${dir}/agent.tar`], { limitMs: 60_000 });
  for (const { lab: { machine, containerd } } of nodes) {
    await machine.sh(
      `ctr -a "$1" -n k8s.io images import "$2"`,
      containerd.socket,
      `${dir}/agent.tar`,
    );
  }
}

/** An agent's pod. */
interface AgentPod {
  readonly name: string;
  readonly node: string;
  readonly isReady: boolean;
  readonly restarts: number;
}

async function agentPods(kube: Kube): Promise<AgentPod[]> {
  const query = "?labelSelector=app.kubernetes.io%2Fname%3Dk8contivnet";
  const { items } = await kube.ask("GET", `/api/v1/namespaces/${NAMESPACE}/pods${query}`);
  return (items as ApiPod[]).filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata, spec, status }) => ({
      name: metadata.name,
      node: spec.nodeName ?? "",
      isReady: (status.conditions ?? []).some(({ type, status }) =>
        type === "Ready" && status === "True"
      ),
      restarts: (status.containerStatuses ?? []).reduce((sum, one) => sum + one.restartCount, 0),
    }));
}

interface ApiPod {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly { readonly restartCount: number }[];
  };
}

/** Waits until both agents are Ready, none of them one of `before`. */
async function readyAgents(kube: Kube, before: readonly AgentPod[] = []): Promise<AgentPod[]> {
  let last: AgentPod[] = [];
  const old = new Set(before.map(({ name }) => name));
  return await waitFor("both agents to be Ready", async () => {
    last = await agentPods(kube);
    return last.length === 2 && last.every(({ name, isReady }) => isReady && !old.has(name)) &&
      last;
  }, { limitMs: 180_000, everyMs: 500 }).catch(async (error) => {
    throw new Error(`${error.message}: ${await whatAgentsSay(kube)}`);
  });
}

async function whatAgentsSay(kube: Kube): Promise<string> {
  const texts = [await kube.kubectl("get", "events", "-A")];
  for (const { name } of await agentPods(kube)) {
    for (const container of ["install", "agent", "cni"]) {
      const words = ["-n", NAMESPACE, "logs", name, "-c", container];
      texts.push(
        `${name} ${container}:\n${await kube.kubectl(...words, "--tail=20").catch(String)}`,
      );
    }
  }
  return texts.join("\n");
}

/** Runs a command beside an agent; returns its output. */
function besideAgent(kube: Kube, pod: AgentPod, ...words: string[]): Promise<string> {
  return kube.kubectl("-n", NAMESPACE, "exec", pod.name, "-c", "agent", "--", ...words);
}

/** Pings from pod to pod every 0.1 s until `during` ends; returns how many were not answered. */
async function lostPings(kube: Kube, from: string, to: string, during: () => Promise<unknown>) {
  const process = new Deno.Command(`${kube.bin}/kubectl`, {
    args: [
      ...[`--kubeconfig=${kube.dir}/admin.kubeconfig`, "exec", "-i", from, "--"],
      ...["sh", "-c", `ping -i 0.1 ${to} & read -r end; kill -INT $!; wait $!`],
    ],
    ...{ stdin: "piped", stdout: "piped", stderr: "null", signal: hangSignal(300_000) },
  }).spawn();
  const output = process.output();
  await during();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode("end\n"));
  await writer.close();
  const text = new TextDecoder().decode((await output).stdout);
  const [, sent = "0", received = "0"] =
    /(\d+) packets transmitted, (\d+) packets received/.exec(text) ?? [];
  assert(Number(sent) > 20, text);
  return Number(sent) - Number(received);
}

Deno.test("agents as a DaemonSet: they install the plugin, connect pods, and are replaced", async (t) => {
  await using cluster = await startKubeNodes({ agents: "pod" });
  const { kube, store, nodes } = cluster;
  const dir = await Deno.makeTempDir({ dir: "/run", prefix: "k8contivnet-daemonset-" });
  const settings = { store, grace: 2, heartbeat: 1 };
  const manifest = await manifestOf(dir, settings, vxlanIntent(2));
  let agents: AgentPod[] = [];
  const step = async (name: string, run: () => Promise<void>) => {
    if (await t.step(name, run)) return;
    throw new Error(`"${name}" failed: ${await whatAgentsSay(kube)}`);
  };

  await step("nodes without a CNI configuration become Ready by it", async () => {
    await importImage(cluster, dir);
    await makeSecret(cluster);
    await kube.kubectlWith({ stdin: manifest }, "apply", "--dry-run=server", "-f", "-");
    await kube.kubectlWith({ stdin: manifest }, "apply", "-f", "-");
    agents = await readyAgents(kube);
    await allReady(kube, 2);
    assertEquals(agents.map(({ node }) => node).sort(), ["host1", "host2"]);
    for (const { lab: { machine } } of nodes) {
      await machine.sh(`cmp "$1" /opt/cni/bin/k8contivnet`, FILE);
      assertEquals(await machine.sh("ls -A /etc/cni/net.d"), CONFLIST);
      const configuration = await machine.sh(`cat /etc/cni/net.d/${CONFLIST}`);
      assertEquals(configuration, (await run(FILE, ["kube", "conflist"])).trim());
    }
  });

  await step("pods have addresses, reach each other, and policies hold", async () => {
    await applyObjects(kube, deployment("web", 3));
    await applyObjects(kube, singlePod("client", { node: nodes[0]!.name }), singlePod("other"));
    const web = await readyPods(kube, "web", 3);
    await readyPods(kube, "client", 1);
    await readyPods(kube, "other", 1);
    assertEquals(new Set(web.map(({ node }) => node)).size, 2, "on both nodes");
    for (const { address } of web) {
      assert(await pingsFrom(kube, "client", address), `client to ${address}`);
    }
    await applyObjects(kube, ingressFrom("web", { app: "client" }));
    for (const { address } of web) {
      await waitFor("the other pod to be denied", async () => {
        return !await pingsFrom(kube, "other", address);
      });
      assert(await pingsFrom(kube, "client", address), `client to ${address}`);
    }
    const seen = await besideAgent(kube, agents[0]!, "k8contivnet", "get", "pods", "-o", "name");
    assertMatch(seen, /web-/);
    assertMatch(await nodes[0]!.lab.machine.sh("/opt/cni/bin/k8contivnet status"), /ready/);
  });

  await step(
    "another intent starts the agents again, one after the other, and no packet is lost",
    async () => {
      const [target] = await readyPods(kube, "web", 3);
      const intent = vxlanIntent(2) as { Tenants: { Networks: unknown[] }[] };
      intent.Tenants[0]!.Networks.push({ Name: "green" });
      const next = await manifestOf(dir, settings, intent);
      const lost = await lostPings(kube, "client", target!.address, async () => {
        await kube.kubectlWith({ stdin: next }, "apply", "-f", "-");
        agents = await readyAgents(kube, agents);
      });
      assertEquals(lost, 0);
      const networks = await besideAgent(
        kube,
        agents[0]!,
        "k8contivnet",
        "get",
        "networks",
        "-o",
        "name",
      );
      assertMatch(networks, /green/);
    },
  );

  await step("a killed agent is started again; a lost configuration comes back", async () => {
    const [agent] = agents;
    const { machine } = nodes.find(({ name }) => name === agent!.node)!.lab;
    await machine.sh(`rm /etc/cni/net.d/${CONFLIST}`);
    const status = JSON.parse(await machine.sh("/opt/cni/bin/k8contivnet status -o json"));
    await machine.sh(`kill -9 "$1"`, `${status.pid}`);
    await waitFor("it to be Ready again", async () => {
      const now = (await agentPods(kube)).find(({ name }) => name === agent!.name);
      return now !== undefined && now.isReady && now.restarts > agent!.restarts;
    }, { limitMs: 120_000 });
    await waitFor("the configuration", async () => {
      return await machine.sh("ls -A /etc/cni/net.d") === CONFLIST;
    }, { limitMs: 60_000 });
    await applyObjects(kube, singlePod("late", { node: agent!.node }));
    await readyPods(kube, "late", 1);
  });

  await step("a node with an agent of its own refuses the pod's", async () => {
    const { lab: { machine }, name } = nodes[1]!;
    await machine.sh("mkdir -p /etc/systemd/system; touch /etc/systemd/system/k8contivnet.service");
    const before = (await agentPods(kube)).find(({ node }) => node === name);
    await kube.kubectl("-n", NAMESPACE, "delete", "pod", before!.name, "--wait=false");
    await waitFor("its pod to say so", async () => {
      const pod = (await agentPods(kube)).find((one) => one.node === name);
      if (!pod || pod.name === before!.name) return false;
      const log = await kube.kubectl("-n", NAMESPACE, "logs", pod.name, "-c", "install")
        .catch(() => "");
      return log.includes("this node has an agent of its own");
    }, { limitMs: 120_000 });
    await machine.sh("rm /etc/systemd/system/k8contivnet.service");
    agents = await readyAgents(kube);
  });
  await Deno.remove(dir, { recursive: true });
});
