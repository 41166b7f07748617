// Where model, flows and the plain evaluator do not agree on a world.

import { verdictOf } from "../../../lib/policy/verdict.ts";
import { type Built, macOf, packetOf } from "./build.ts";
import { Connections } from "./connections.ts";
import { mayArrive, mayLeave, type TestPacket } from "./evaluator.ts";
import { HostBridge } from "./host_bridge.ts";
import { packetsOf, type PlacedEndpoint, type RandomWorld } from "./random_worlds.ts";

/** Returns a sentence for each packet on which they differ; `what` narrows it to one of the two. */
export function disagreements(
  world: RandomWorld,
  { model, flows }: Built,
  what: "model" | "flows" | "both" = "both",
): string[] {
  const places = world.endpoints.filter(({ isHere }) => isHere)
    .map((one) => ({ ...one, mac: macOf(one) }));
  const bridge = new HostBridge(places, { flows: flows.flows(), policed: flows.tags });
  const found: string[] = [];
  for (const packet of packetsOf(world)) {
    const [leaves, arrives] = [mayLeave(world, packet), mayArrive(world, packet)];
    const says = (who: string) =>
      found.push(`${who} differs on ${words(packet)}: ${leaves}/${arrives}`);
    if (what !== "flows") {
      const asked = packetOf(packet);
      if (verdictOf(model, asked, ["out"]).isAllowed !== leaves) says("model, out,");
      if (verdictOf(model, asked, ["in"]).isAllowed !== arrives) says("model, in,");
      if (verdictOf(model, asked).isAllowed !== (leaves && arrives)) says("model");
    }
    if (what === "model") continue;
    const [from, to] = [packet.from, packet.to].map((one) =>
      places.find(({ id }) => id === one?.id)
    );
    const passes = (from: Place | undefined, to: Place | undefined, tag: number) =>
      bridge.pass({ ...packet, from, to, tag }, new Connections()) === "forwarded";
    // Each host judges where it has the pod; a way between networks leads over a router.
    if (from && to && from.tag === to.tag) {
      if (passes(from, to, from.tag) !== (leaves && arrives)) says("flows");
      continue;
    }
    if (from && passes(from, undefined, from.tag) !== leaves) says("flows, out,");
    if (to && passes(undefined, to, to.tag) !== arrives) says("flows, in,");
  }
  return found;
}

type Place = PlacedEndpoint & { readonly mac: string };

function words({ from, to, fromIp, toIp, protocol, fromPort, toPort }: TestPacket): string {
  return `${from?.id ?? "?"} ${fromIp}:${fromPort} -> ${
    to?.id ?? "?"
  } ${toIp}:${toPort} ip ${protocol}`;
}
