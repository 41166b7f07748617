// The original's acceptance scenarios, played on the lab of many hosts.

import { startCluster } from "../lab/cluster.ts";
import { SCENARIOS } from "../lab/scenarios.ts";
import { play } from "../lab/scenarios/play.ts";

for (const scenario of SCENARIOS) {
  Deno.test(`scenario ${scenario.number}: ${scenario.name}`, async () => {
    const { hosts, fabric, intent } = scenario;
    // One host keeps its store in a file, many share etcd: as their users have it.
    await using cluster = await startCluster({ hosts, fabric, intent, etcd: hosts === 1 ? 0 : 1 });
    await play(scenario, cluster);
  });
}
