// Where model, flows and the plain evaluator do not agree on a world.

import { parseAddress } from "../../../lib/ipam/subnets.ts";
import { verdictOf } from "../../../lib/policy/verdict.ts";
import { type Built, packetOf } from "./build.ts";
import { mayArrive, mayLeave, type TestPacket } from "./evaluator.ts";
import { FlowMachine } from "./flow_machine.ts";
import { packetsOf, type RandomWorld } from "./random_worlds.ts";

const [ALLOWED, FIRST_IN] = [30, 22];

/** Returns a sentence for each packet on which they differ; `what` narrows it to one of the two. */
export function disagreements(
  world: RandomWorld,
  { model, flows }: Built,
  what: "model" | "flows" | "both" = "both",
): string[] {
  const lines = flows.lines();
  const machine = lines.some((line) => line.includes("table=30"))
    ? new FlowMachine(lines)
    : undefined;
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
    const places = world.endpoints.filter(({ isHere }) => isHere);
    const [from, to] = [packet.from, packet.to].map((one) =>
      places.find(({ id }) => id === one?.id)
    );
    // Each host judges where it has the pod; a way between networks leads over a router.
    if (from && to && from.tag === to.tag) {
      if (passes(machine, packet, from.tag, 20) !== (leaves && arrives)) says("flows");
      continue;
    }
    if (from && passes(machine, packet, from.tag, 20) !== leaves) says("flows, out,");
    if (to && passes(machine, packet, to.tag, FIRST_IN) !== arrives) says("flows, in,");
  }
  return found;
}

function passes(
  machine: FlowMachine | undefined,
  packet: TestPacket,
  tag: number,
  table: number,
): boolean {
  if (!machine) return true;
  const hasPorts = [6, 17, 132].includes(packet.protocol);
  const base = packet.protocol * 0x1_0000;
  return machine.run({
    reg0: tag,
    reg1: parseAddress(packet.fromIp),
    reg2: parseAddress(packet.toIp),
    reg3: base + (hasPorts ? packet.toPort : 0),
    reg9: packet.protocol === 132 ? base + packet.fromPort : 0,
  }, table) === ALLOWED;
}

function words({ from, to, fromIp, toIp, protocol, fromPort, toPort }: TestPacket): string {
  return `${from?.id ?? "?"} ${fromIp}:${fromPort} -> ${
    to?.id ?? "?"
  } ${toIp}:${toPort} ip ${protocol}`;
}
