// Flows and packet filter of whole clusters against the plain evaluator: each packet arrives where the intent says,
// with the source that it says, and its answer comes back.

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { isWholeRun, runs } from "../cases.ts";
import { type RandomCluster, randomClusters, storeOf, UPLINKS } from "./random_clusters.ts";
import { ReachEvaluator } from "./reach_evaluator.ts";
import { SimulatedCluster } from "./simulated_cluster.ts";
import { answerTo } from "./simulated_stack.ts";

/** Returns what is wrong with the ways of a cluster's packets; the state of connections is kept between them. */
function disagreements(cluster: RandomCluster, marksHosts: boolean): string[] {
  const evaluator = new ReachEvaluator(cluster, { marksHosts });
  const services = new Map(
    cluster.services.map(({ address, backend }) => [address, { backend, marksHosts }]),
  );
  const simulated = new SimulatedCluster(storeOf(cluster), { uplinks: UPLINKS, services });
  return cluster.probes.flatMap((probe, at) => {
    const [kind, name = ""] = probe.from.split(" ");
    const ports = [40_000 + at, 80] as const;
    const from = kind === "pod" ? evaluator.addressOf(name) : "198.51.100.7";
    const packet = { from, to: probe.to, ports };
    const arrival = kind === "pod"
      ? simulated.fromPod(name, packet)
      : kind === "host"
      ? simulated.fromHost(name, packet)
      : simulated.fromOutside(name, packet);
    const place = arrival.place.replace(/^outside .*/, "outside");
    const expected = evaluator.expect(probe);
    const isNowhere = place.startsWith("dropped");
    const what = `${probe.from} to ${probe.to}`;
    if (isNowhere ? expected.place !== "nowhere" : place !== expected.place) {
      return [`${what}: expected ${expected.place}, is ${place}`];
    }
    if (isNowhere) return [];
    const { source = arrival.packet.from } = expected;
    if (arrival.packet.from !== source) {
      return [`${what}: expected source ${source}, is ${arrival.packet.from}`];
    }
    const answer = simulated.answer(arrival);
    const sent = kind === "host" ? { ...packet, from: answer.packet.to } : packet;
    const isBack = answer.place === probe.from && isSame(answer.packet, answerTo(sent));
    return isBack
      ? []
      : [`${what}: its answer is ${answer.place} ${JSON.stringify(answer.packet)}`];
  });
}

function isSame(a: object, b: object): boolean {
  return JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort());
}

Deno.test("packets of random clusters arrive where the intent says, and their answers come back", () => {
  fc.assert(
    fc.property(randomClusters(isWholeRun ? 200 : 50), fc.boolean(), (cluster, marksHosts) => {
      assertEquals(disagreements(cluster, marksHosts), []);
    }),
    runs(200),
  );
});
