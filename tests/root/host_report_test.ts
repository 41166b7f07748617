// `doctor --host`: what another host's agent has found, also once that host is gone.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { startCluster } from "../lab/cluster.ts";
import { intentOf } from "../lab/scenarios/scenario.ts";
import { waitFor } from "../lab/wait.ts";

Deno.test("doctor --host shows what was wrong on a host that is gone", async () => {
  const intent = intentOf("vteps", { orange: ["c1", "c2"] });
  await using cluster = await startCluster({ hosts: 2, etcd: 1, fabric: "wire", intent });
  const [one, two] = [cluster.host(1), cluster.host(2)];
  const none = await one.agent.call("doctor", "--host", "host2");
  assertEquals(none.code, 3);
  assertMatch(none.err, /host host2 has left no report: .*; run k8contivnet doctor on that host/);
  await Deno.chmod(two.agent.socket, 0o666);
  const asked = () => one.agent.call("doctor", "--host", "host2", "-o", "json");
  await waitFor("host2's report", async () => (await asked()).code !== 3, { limitMs: 90_000 });
  await two.agent.stop("SIGKILL");
  const { code, out } = await asked();
  const { ok, host, at, lastSeen, passed, checks } = JSON.parse(out);
  assertEquals([code, ok, host], [1, false, "host2"]);
  assert(Date.parse(at) > 0 && Date.parse(lastSeen) > 0 && passed > 10, out);
  assert(
    checks.some(({ id, state }: { id: string; state: string }) =>
      id === "socket" && state === "failed"
    ),
    out,
  );
  const table = await one.agent.call("doctor", "--host", "host2");
  assertMatch(
    table.err,
    /^host host2, examined at \S+, last heartbeat \S+\n\d+ checks: [12] failed/,
  );
  assertMatch(table.out, /failed {3}.*open to all/);
  assertMatch(
    (await one.agent.call("doctor", "--host", "host9")).err,
    /hosts with one: host1, host2/,
  );
});
