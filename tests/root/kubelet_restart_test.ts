// A kubelet that dies between the infra container's start and `setup` never calls `setup` for it again, only
// `status` (seen with 1.2). On a real Docker, with the time that a kubelet really has.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { tenantWith } from "../fixtures/tenant.ts";
import { KUBELETS_TURN_MS } from "../../lib/agent/pods/known_containers.ts";
import { startContainer } from "../lab/container.ts";
import { startDockerHost } from "../lab/docker_host.ts";
import { waitFor } from "../lab/wait.ts";

Deno.test("a pod for which a kubelet calls only status is attached after the time that a set-up takes, and the log says why", async () => {
  const networks = [
    { Name: "named", Endpoints: [{ Container: "db" }] },
    { Name: "rest", Default: true },
  ];
  await using at = await startDockerHost({ Tenants: [tenantWith({ Networks: networks })] });
  const { host: { agent }, dockerd } = at;
  const pods = await Promise.all(["db", "web", "foreign"].map(async (name, n) => ({
    name,
    infra: await startContainer(dockerd, `k8s_POD_${name}_default_u-${n}_0`),
  })));
  const status = async (name: string, id: string) =>
    (await agent.call("status", "default", name, id)).out;
  const [db, web, foreign] = pods;
  const started = performance.now();
  // The kubelet asks every ten seconds or so; for the last pod it never does: that is another plugin's.
  const isAttached = async ({ name, infra }: typeof pods[number]) =>
    (await status(name, infra.id)).includes("10.9.");
  assertEquals([await isAttached(db!), await isAttached(web!)], [false, false]);
  await waitFor("both to be attached", async () => {
    const answers = [await isAttached(db!), await isAttached(web!)];
    return answers.every(Boolean);
  }, { limitMs: 4 * KUBELETS_TURN_MS, everyMs: 2_000 });
  const waitedMs = performance.now() - started;
  assertEquals(waitedMs > KUBELETS_TURN_MS - 10_000, true, `${waitedMs} ms`);
  assertEquals(await foreign!.infra.addresses(), []);
  const log = await agent.logText();
  for (const name of ["db", "web"]) {
    assertStringIncludes(log, `its kubelet has asked only for its status pod=default/${name}`);
  }
});
