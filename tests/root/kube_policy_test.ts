// Policies that a real API server has, in force on a host: who may, who may not, what changes at once,
// and what holds while the API server is away.

import { assert, assertEquals } from "@std/assert";
import { type Host, intentOf, startHost } from "../lab/host.ts";
import type { Kube } from "../lab/kube.ts";
import { agentKubeconfig, startKubeWithRbac } from "../lab/kube_account.ts";
import type { Pod } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";

const NODE = "node-a";
const LIMIT = { limitMs: 30_000 };

const POLICY = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "only-app", namespace: "default" },
  spec: {
    podSelector: { matchLabels: { role: "web" } },
    ingress: [{ from: [{ podSelector: { matchLabels: { role: "app" } } }] }],
  },
};

async function startPod(kube: Kube, host: Host, name: string, role: string): Promise<Pod> {
  await kube.pod("default", name, NODE, { labels: { role } });
  const pod = await host.pod(name);
  await host.agent.setup(pod);
  return pod;
}

Deno.test("a NetworkPolicy is in force as the API server has it, and while that is unreachable", async () => {
  await using kube = await startKubeWithRbac();
  const flags = ["--kubeconfig", await agentKubeconfig(kube), "--node-name", NODE];
  await using host = await startHost(intentOf(4), ...flags);
  const [web, app, other] = [
    await startPod(kube, host, "pod0", "web"),
    await startPod(kube, host, "pod1", "app"),
    await startPod(kube, host, "pod2", "other"),
  ];
  const address = await host.agent.addressOf(web);
  const sees = async (who: Pod, what: boolean, why: string) =>
    void await waitFor(why, async () => await who.pings(address) === what, LIMIT);
  assert(await app.reaches(address) && await other.pings(address), "without a policy all may");

  await kube.kubectlWith({ stdin: JSON.stringify(POLICY) }, "apply", "-f", "-");
  await sees(other, false, "the policy to cut the other pod off");
  assert(await app.reaches(address), "the policy's own pod is cut off");
  const { out } = await host.agent.call("trace", "default/pod2", "default/pod0", "--icmp");
  assert(out.startsWith("denied"), out);

  await kube.label("default", "pod2", { role: "app" });
  await sees(other, true, "a label to open the way");
  await kube.label("default", "pod2", { role: "other" });
  await sees(other, false, "a label to close the way");

  // Away: what was in force stays so, for an agent that is killed and reaches no API server, too.
  await kube.kill();
  assert(!await other.pings(address) && await app.pings(address));
  await host.agent.stop("SIGKILL");
  await host.agent.start();
  for (let n = 0; n < 3; n++) {
    assert(!await other.pings(address), "an agent that hears no API server has opened the way");
  }
  assert(await app.reaches(address));

  await kube.restart();
  await kube.kubectl("delete", "networkpolicy", "only-app");
  await sees(other, true, "the way to be open without the policy");
  assertEquals((await host.agent.call("get", "policies", "-o", "json")).code, 0);
});
