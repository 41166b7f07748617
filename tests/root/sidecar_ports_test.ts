// Ports of sidecars in policies, with real traffic. A sidecar is an init container that always restarts, since
// Kubernetes 1.28. The API server of other tests is 1.20, which does not store that field: here a pod is read from
// JSON as newer ones send it.

import { assertEquals } from "@std/assert";
import { peerPodIn, StringPool } from "../../lib/kube/objects.ts";
import { tenantWith } from "../fixtures/tenant.ts";
import { startHost } from "../lab/host.ts";
import { setIngress } from "../lab/ingress_policy.ts";
import { Talker } from "../lab/talk.ts";
import { waitFor } from "../lab/wait.ts";

const NAMES = ["web", "friend"];
const INTENT = {
  Tenants: [tenantWith({
    Networks: [{ Name: "blue", Endpoints: NAMES.map((Container) => ({ Container })) }],
  })],
};

const port = (name: string, containerPort: number) => ({ ports: [{ name, containerPort }] });
const SPECS: Record<string, unknown> = {
  friend: { containers: [{ name: "c" }] },
  web: {
    containers: [{ name: "c", ...port("http", 80) }],
    initContainers: [
      { name: "mesh", restartPolicy: "Always", ...port("metrics", 15090) },
      { name: "once", ...port("setup", 8080) },
    ],
  },
};

Deno.test("a policy for a named port of an init container that keeps running opens that port, and no other", async () => {
  await using host = await startHost(INTENT);
  await using stack = new AsyncDisposableStack();
  const talkers: Talker[] = [];
  const pods: unknown[] = [];
  for (const name of NAMES) {
    const pod = await host.pod(name);
    await host.agent.setup(pod);
    talkers.push(stack.use(await Talker.start(pod, { tcp: [80, 8080, 15090] })));
    const object = {
      metadata: { namespace: "default", name, uid: pod.id, labels: { name } },
      spec: SPECS[name],
      status: { podIPs: [{ ip: await host.agent.addressOf(pod) }] },
    };
    pods.push(peerPodIn(object, new StringPool()));
  }
  const name = (port: string) => ({ ports: [{ port }] });
  const allow = (ingress: readonly unknown[]) => setIngress(host.agent.socket, pods, ingress);
  const asks = (port: number) => talkers[1]!.asks("tcp", "10.9.0.1", port);
  await allow([]);
  await waitFor("the pod to be closed", async () => !await asks(15090));
  await allow([name("metrics"), name("setup")]);
  const seen = { metrics: await asks(15090), setup: await asks(8080), http: await asks(80) };
  assertEquals(seen, { metrics: true, setup: false, http: false });
});
