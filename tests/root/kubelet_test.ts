// The life of pods as the kubelets of three eras call for it, on a real Docker. One step for each
// thing that a kubelet does; what it does is in tests/lab/kubelet.ts.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../lab/run.ts";
import { type DockerHost, startDockerHost } from "../lab/docker_host.ts";
import { intentOf, worldOf } from "../lab/host.ts";
import { type Era, ERAS, Kubelet, type KubeletPod } from "../lab/kubelet.ts";
import { waitFor } from "../lab/wait.ts";

const PODS = 8;

/** What a row is played on: one host for all rows of an era, empty before each. */
interface Stage extends DockerHost {
  readonly era: Era;
  readonly kubelet: Kubelet;
}

/** What kubelets do, as their users would say it. */
const ROWS: readonly (readonly [what: string, play: (stage: Stage) => Promise<void>])[] = [
  ["a pod is added, and another meets it", addsPods],
  ["the infra container dies, and a new one has its address", replacesInfra],
  ["a new infra container comes while the old one runs", takesOver],
  ["a pod is deleted, however often it is torn down", deletesPod],
  ["setup exits 1, and the pod is connected all the same when it can be", survivesFailedSetup],
  ["teardown exits 1, and what it left is released", survivesFailedTeardown],
  ["several pods come and go side by side", runsInParallel],
  ["the kubelet restarts", survivesRestart],
  ["a pod in the host's network leaves the host alone", leavesHostAlone],
  ["a pod is deleted while the kubelet is down", deletesLate],
  ["a pod that never was is torn down", tearsDownUnknown],
  ["pods of one name in two namespaces are two pods", knowsNamespaces],
  ["an infra container with Docker's own eth0 keeps it", keepsForeign],
  ["no event of Docker's races the kubelet", isNotRaced],
];

for (const era of ERAS) {
  Deno.test(`kubelet ${era}: pods live as it calls for them`, async (t) => {
    await using at = await startDockerHost(intent(), { flags: ["--grace", "2"] });
    const { host, dockerd } = at;
    const empty = await worldOf(host);
    for (const [what, play] of ROWS) {
      await t.step(`kubelet ${era}: ${what}`, async () => {
        const kubelet = new Kubelet(era, { dockerd, agent: host.agent });
        await play({ ...at, era, kubelet });
        await waitFor("the world to be as before", async () => {
          return JSON.stringify(await worldOf(host)) === JSON.stringify(empty);
        }, { limitMs: 20_000 });
      });
    }
  });
}

/** pod0 to pod7 for namespace default, and a pod0 of prod in another network. */
function intent(): unknown {
  const one = intentOf(PODS) as { Tenants: { Networks: Record<string, unknown>[] }[] };
  one.Tenants[0]!.Networks[0]!.DefaultGw = "10.9.255.254";
  const prod = {
    ...one.Tenants[0],
    ...{ Name: "p", SubnetPool: "10.8.0.0/16", Vlans: "300-400", Namespaces: ["prod"] },
    Networks: [{ Name: "red", Endpoints: [{ Container: "pod0" }] }],
  };
  return { Tenants: [...one.Tenants, prod] };
}

async function addsPods({ kubelet, era, host }: Stage): Promise<void> {
  const [one, two] = [await kubelet.addPod("pod0"), await kubelet.addPod("pod1")];
  assertEquals(one.setup, { code: 0, out: "", err: "" });
  await one.infra.has("eth0 10.9.0.1/16");
  await two.infra.has("eth0 10.9.0.2/16");
  assert(await one.infra.reaches("10.9.0.2"));
  // 0.15 knows no status, and publishes what Docker says.
  assertEquals(
    [one.podIp, two.podIp],
    era === "0.15" ? [undefined, undefined] : [
      "10.9.0.1",
      "10.9.0.2",
    ],
  );
  await kubelet.status(one, { isSwapped: true });
  assertEquals(one.podIp, "10.9.0.1");
  await kubelet.deletePods([one, two]);
  assertEquals([kubelet.failures, await host.agent.attachments()], [[], []]);
}

async function replacesInfra({ kubelet, host }: Stage): Promise<void> {
  const pod = await kubelet.addPod("pod0");
  const old = await kubelet.replaceInfra(pod);
  await pod.infra.has("eth0 10.9.0.1/16");
  const sandboxes = (await host.agent.attachments()).map(({ sandbox }) => sandbox);
  assertEquals(sandboxes, [pod.infra.id]);
  assert(old.id !== pod.infra.id);
  await kubelet.deletePod(pod);
  assertEquals(kubelet.failures, []);
}

async function takesOver({ kubelet, dockerd }: Stage): Promise<void> {
  const [pod, peer] = [await kubelet.addPod("pod0"), await kubelet.addPod("pod1")];
  const old = await kubelet.replaceInfra(pod, { isOldRunning: true });
  await pod.infra.has("eth0 10.9.0.1/16");
  await old.has();
  assert(await peer.infra.reaches("10.9.0.1"));
  await kubelet.deletePods([pod, peer]);
  await dockerd.docker("kill", old.id);
  assertEquals(kubelet.failures, []);
}

async function deletesPod({ kubelet, host }: Stage): Promise<void> {
  const pod = await kubelet.addPod("pod0");
  await kubelet.deletePod(pod);
  for (let n = 0; n < 2; n++) {
    const again = await host.agent.call("teardown", "default", "pod0", pod.infra.id);
    assertEquals(again, { code: 0, out: "", err: "" });
  }
  await kubelet.status(pod);
  assertEquals([pod.podIp, kubelet.failures], ["docker", []]);
}

/** The endpoint belongs elsewhere at first: setup ends with 4 at once. */
async function survivesFailedSetup({ kubelet, era, host }: Stage): Promise<void> {
  const bind = async (to: string) => {
    assertEquals((await host.agent.call("bind", "pod7", to)).code, 0);
  };
  await bind("host2");
  const pod = await kubelet.addPod("pod7");
  assertEquals([pod.setup?.code, kubelet.failures], [4, ["setup 4"]]);
  assertStringIncludes(pod.setup?.err ?? "", "host2");
  await kubelet.retry(pod);
  await pod.infra.has();
  assertEquals(await host.agent.attachments(), []);
  await bind("host1");
  // Older kubelets run the pod without a network and never try again: the agent does, when the
  // kubelet has had its turn; a restart of the agent is the end of that.
  if (era === "1.2") await kubelet.retry(pod);
  else await restart({ host });
  await pod.infra.has("eth0 10.9.0.8/16");
  await kubelet.deletePod(pod);
}

/** The agent is away, and its note cannot be left: the infra container is ended all the same. */
async function survivesFailedTeardown({ kubelet, era, host }: Stage): Promise<void> {
  const pod = await kubelet.addPod("pod0");
  await host.agent.stop();
  host.agent.env.K8CONTIVNET_STATE_DIR = "/proc/nowhere";
  try {
    await kubelet.deletePod(pod);
  } finally {
    delete host.agent.env.K8CONTIVNET_STATE_DIR;
  }
  assertEquals(kubelet.failures, era === "1.2" ? ["teardown 5", "teardown 5"] : ["teardown 5"]);
  await host.agent.start();
}

async function runsInParallel({ kubelet, era }: Stage): Promise<void> {
  const names = Array.from({ length: PODS }, (_, n) => `pod${n}`);
  const pods = await Promise.all(names.map((name) => kubelet.addPod(name)));
  for (const [n, pod] of pods.entries()) {
    await pod.infra.has(`eth0 10.9.0.${n + 1}/16`);
    if (era !== "0.15") assertEquals(pod.podIp, `10.9.0.${n + 1}`);
  }
  assert(await pods[0]!.infra.pings("10.9.0.8"));
  await kubelet.deletePods(pods);
  assertEquals(kubelet.failures, []);
}

async function survivesRestart({ kubelet, era, host }: Stage): Promise<void> {
  const pods = [await kubelet.addPod("pod0"), await kubelet.addPod("pod1")];
  const before = await worldOf(host);
  for (const pod of pods) pod.podIp = undefined;
  await kubelet.start();
  assertEquals(await worldOf(host), before);
  const want = era === "0.15" ? [undefined, undefined] : ["10.9.0.1", "10.9.0.2"];
  assertEquals(pods.map(({ podIp }) => podIp), want);
  assert(await pods[0]!.infra.pings("10.9.0.2"));
  await kubelet.deletePods(pods);
  assertEquals(kubelet.failures, []);
}

async function leavesHostAlone({ kubelet, era, host }: Stage): Promise<void> {
  // Without ports that are added ahead meanwhile.
  const links = async () =>
    (await run("ip", ["-o", "link"])).split("\n").filter((line) => !/ cw[0-9a-f]{11}\b/.test(line));
  const [before, world] = [await links(), await worldOf(host)];
  const pod = await kubelet.addPod("pod0", { isHostNetwork: true });
  assertEquals(pod.podIp, era === "0.15" ? undefined : "docker");
  assertEquals(await worldOf(host), world);
  await kubelet.deletePod(pod);
  assertEquals([await links(), kubelet.failures], [before, []]);
}

async function deletesLate({ kubelet, host, era, dockerd }: Stage): Promise<void> {
  const pod = await kubelet.addPod("pod0");
  // It comes back and finds the pod no longer wanted.
  const next = new Kubelet(era, { dockerd, agent: host.agent });
  await next.start();
  await next.deletePod(pod);
  assertEquals([next.failures, await host.agent.attachments()], [[], []]);
}

async function tearsDownUnknown({ kubelet }: Stage): Promise<void> {
  assertEquals(await kubelet.tearDownUnknown(), { code: 0, out: "", err: "" });
}

async function knowsNamespaces({ kubelet, host }: Stage): Promise<void> {
  const [one, other] = [
    await kubelet.addPod("pod0"),
    await kubelet.addPod("pod0", { namespace: "prod" }),
  ];
  await one.infra.has("eth0 10.9.0.1/16");
  await other.infra.has("eth0 10.8.0.1/16");
  assert(!await one.infra.pings("10.8.0.1"));
  const pods = (await host.agent.attachments()).map(({ pod }) => `${pod.namespace}/${pod.name}`);
  assertEquals(pods.sort(), ["default/pod0", "prod/pod0"]);
  await kubelet.deletePods([one, other]);
}

async function keepsForeign({ kubelet, dockerd, host, era }: Stage): Promise<void> {
  const route = async (pod: KubeletPod) => (await pod.infra.run("ip", "route")).text;
  await dockerd.docker("network", "create", "--subnet=172.30.9.0/24", "own");
  const warned = async () => (await host.agent.logText()).split("foreign interface").length;
  const before = await warned();
  const pod = await kubelet.addPod("pod0", { network: "own" });
  await pod.infra.has("eth0 172.30.9.2/24", "net1 10.9.0.1/16");
  assertMatch(await route(pod), /^default via 172\.30\.9\.1 dev eth0/);
  assertEquals((await route(pod)).match(/default/g)?.length, 1);
  if (era !== "0.15") assertEquals(pod.podIp, "10.9.0.1");
  await kubelet.deletePod(pod);
  await dockerd.docker("network", "rm", "own");
  assertEquals(await warned(), before + 1);
}

/** A pod that starts and is not set up yet, and one that is torn down and not ended yet. */
async function isNotRaced({ kubelet, dockerd, host }: Stage): Promise<void> {
  const pod = await kubelet.addPod("pod0");
  const { infra } = pod;
  // From now on the agent knows this pod as one whose kubelet had its turn.
  await restart({ host });
  assertEquals((await host.agent.call("teardown", "default", "pod0", infra.id)).code, 0);
  const started = await dockerd.runContainer("--name", "k8s_POD_pod1_default_u-1_0");
  // A plain container comes last: when it is connected, the events before it have been heard.
  const plain = await dockerd.runContainer("--name", "pod2");
  const holders = await waitFor("the plain container", async () => {
    const items = await host.agent.attachments();
    return items.some(({ sandbox }) => sandbox === plain) && items;
  });
  assertEquals(holders.map(({ sandbox }) => sandbox), [plain]);
  await dockerd.docker("kill", started, plain);
  await kubelet.deletePod(pod);
}

async function restart({ host }: Pick<Stage, "host">): Promise<void> {
  await host.agent.stop();
  await host.agent.start();
}
