// A static pod on a real Docker: its kubelet labels the containers with the hash of the pod's configuration as UID, and
// the API server has a mirror pod with a UID of its own.

import { assert, assertEquals } from "@std/assert";
import { startDockerHost } from "../lab/docker_host.ts";
import { intentOf } from "../lab/host.ts";
import { agentKubeconfig, startKubeWithRbac } from "../lab/kube_account.ts";
import { Kubelet } from "../lab/kubelet.ts";
import { waitFor } from "../lab/wait.ts";

const NODE = "node-a";
const LIMIT = { limitMs: 30_000 };
const HASH = "0f3c7e5b8f2f4bd19a0d3d1c6f2f6a11";
const STATUS = "k8s.v1.cni.cncf.io/network-status";

Deno.test("policies apply to a static pod: its labels count, also when its mirror is made again", async () => {
  await using kube = await startKubeWithRbac();
  await kube.ask("POST", "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies", {
    metadata: { name: "only-app" },
    spec: {
      podSelector: { matchLabels: { role: "web" } },
      ingress: [{ from: [{ podSelector: { matchLabels: { role: "app" } } }] }],
    },
  });
  const flags = ["--kubeconfig", await agentKubeconfig(kube), "--node-name", NODE];
  await using at = await startDockerHost(intentOf(3), { flags });
  const { host, dockerd } = at;
  const kubelet = new Kubelet("1.2", { dockerd, agent: host.agent });
  const annotations = {
    "kubernetes.io/config.hash": HASH,
    "kubernetes.io/config.mirror": HASH,
    "kubernetes.io/config.source": "file",
  };
  const mirror = (role: string) =>
    kube.pod("default", "pod0", NODE, { labels: { role }, annotations });
  const start = async (name: string, role: string) =>
    await kubelet.addPod(name, {
      uid: await kube.pod("default", name, NODE, { labels: { role } }),
    });

  const uid = await mirror("web");
  assert(uid !== HASH);
  const web = await kubelet.addPod("pod0", { uid: HASH });
  const [app, other] = [await start("pod1", "app"), await start("pod2", "other")];
  assertEquals([web, app, other].map(({ setup }) => setup?.code), [0, 0, 0]);
  const address = web.podIp ?? "";
  assert(await app.infra.reaches(address), "the policy's own pod is cut off");
  assert(!await other.infra.pings(address), "the static pod's labels do not count");

  await kube.label("default", "pod0", { role: "free" });
  await waitFor("its label to open it", () => other.infra.pings(address), LIMIT);
  await waitFor("its network status", () => kube.annotationOf("default", "pod0", STATUS), LIMIT);

  await kube.removePod("default", "pod0");
  await mirror("web");
  await waitFor("its new mirror to count", async () => !await other.infra.pings(address), LIMIT);
  await waitFor("the way of the app", () => app.infra.pings(address), LIMIT);
  await waitFor("its network status", () => kube.annotationOf("default", "pod0", STATUS), LIMIT);
});
