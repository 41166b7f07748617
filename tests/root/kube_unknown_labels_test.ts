// A pod that is set up while its labels cannot be known: no policy that may apply to it is ignored,
// and its rules are right as soon as the API server answers.

import { assertEquals } from "@std/assert";
import { intentOf, startHost } from "../lab/host.ts";
import { agentKubeconfig, startKubeWithRbac } from "../lab/kube_account.ts";
import { startProxy } from "../lab/proxy.ts";
import { waitFor } from "../lab/wait.ts";

const NODE = "node-a";
const POLICIES = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies";

Deno.test("a pod that is set up while the API server is cut off is closed until its labels are known", async () => {
  await using kube = await startKubeWithRbac();
  using proxy = startProxy(kube.endpoint);
  await kube.ask("POST", POLICIES, {
    metadata: { name: "shut" },
    spec: { podSelector: { matchLabels: { role: "web" } }, policyTypes: ["Ingress"] },
  });
  const kubeconfig = await agentKubeconfig(kube, { endpoint: proxy.endpoint });
  await using host = await startHost(intentOf(5), "--kubeconfig", kubeconfig, "--node-name", NODE);
  const isUp = async () => (await host.agent.kubeHealth()).state === "up";
  const setUp = async (name: string, role: string) => {
    await kube.pod("default", name, NODE, { labels: { role } });
    const pod = await host.pod(name);
    await host.agent.setup(pod);
    return { pod, address: await host.agent.addressOf(pod) };
  };
  await waitFor("the cluster to be known", isUp, { limitMs: 60_000 });

  // Heard, a set-up waits until its pod's labels count: no ping of five is answered, or lost.
  const asker = await setUp("pod0", "asker");
  const pings = async ({ address }: { readonly address: string }) => {
    const answers: boolean[] = [];
    for (let n = 0; n < 5; n++) answers.push(await asker.pod.pings(address));
    return answers.filter(Boolean).length;
  };
  assertEquals(await pings(await setUp("pod1", "web")), 0);
  assertEquals(await pings(await setUp("pod2", "free")), 5);

  proxy.mode = "closed";
  await waitFor("the cut to be noticed", async () => !await isUp(), { limitMs: 60_000 });
  const [web, free] = [await setUp("pod3", "web"), await setUp("pod4", "free")];
  assertEquals([await pings(web), await pings(free)], [0, 0]);
  // What it asks itself is answered: no policy here is about that direction.
  assertEquals(await free.pod.pings(asker.address), true);

  proxy.mode = "open";
  await waitFor("its label to open it", () => asker.pod.pings(free.address), { limitMs: 60_000 });
  assertEquals(await pings(web), 0);
});
