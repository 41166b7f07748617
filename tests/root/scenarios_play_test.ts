// The player of scenarios itself: it must notice when the world is not as a scenario wants it.

import { assertRejects } from "@std/assert";
import { startCluster } from "../lab/cluster.ts";
import { misses, reaches } from "../lab/scenarios/ping.ts";
import { play } from "../lab/scenarios/play.ts";
import {
  attached,
  client,
  gone,
  intentOf,
  ping,
  refused,
  serve,
  type Step,
} from "../lab/scenarios/scenario.ts";

const INTENT = intentOf("alone", { orange: ["c1", "c2"], purple: ["c3"] });

const cases: readonly { name: string; steps: readonly Step[]; says: string }[] = [
  {
    name: "a ping to an endpoint that no pod has",
    steps: [serve("c2", 1), ping("c2", "ok", "orange-c1")],
    says: "no pod is attached at 11.1.0.1",
  },
  {
    name: "an answer where none may be",
    steps: [serve("c1", 1), client("c2", 1, "fails", "orange-c1")],
    says: "step 2, client c2 1 fails orange-c1: 11.1.0.1 answered",
  },
  {
    name: "silence where an answer must be",
    steps: [serve("c1", 1), client("c3", 1, "ok", "orange-c1")],
    says: "11.1.0.1 did not answer",
  },
  { name: "a pod that should be refused", steps: [refused("c1", 1)], says: "ended with 0, not 4" },
  {
    name: "an endpoint on another pod",
    steps: [serve("c1", 1), serve("c2", 1), attached("c2", "orange-c1")],
    says: "it is attached to",
  },
  { name: "a network that is still there", steps: [gone("network", "orange")], says: "not 3" },
];

Deno.test("a scenario ends at the first step that is not as wanted, and says which", async () => {
  await using cluster = await startCluster({ hosts: 1, etcd: 0, intent: INTENT });
  for (const { name, steps, says } of cases) {
    const scenario = { number: 0, name, hosts: 1, fabric: "none", intent: INTENT, steps } as const;
    await assertRejects(() => play(scenario, cluster), Error, says);
  }
});

Deno.test("a packet that arrives and is not answered does not prove separation", async () => {
  await using cluster = await startCluster({ hosts: 1, etcd: 0, intent: INTENT });
  const host = cluster.host(1);
  const [c1, c2, c3] = [
    await host.pod("myContainer1"),
    await host.pod("myContainer2"),
    await host.pod("myContainer3"),
  ];
  for (const pod of [c1, c2, c3]) await host.agent.setup(pod);
  const address = await host.agent.addressOf(c1);
  await reaches(c2, address, c1);
  await assertRejects(() => reaches(c2, address, c3, 300), Error, "echo request");
  await misses(c3, address, c1);
  await c1.run("sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1");
  await assertRejects(() => misses(c2, address, c1), Error, "this arrived");
});
