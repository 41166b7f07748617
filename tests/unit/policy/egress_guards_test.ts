// What guarded pods may send by the receiver's address alone must be what the model says of a receiver that is no
// pod.

import { assert, assertEquals } from "@std/assert";
import { parseAddress, parseSubnet, subnetHas } from "../../../lib/ipam/subnets.ts";
import { type EgressGuard, egressGuards } from "../../../lib/policy/egress_guards.ts";
import { verdictOf } from "../../../lib/policy/verdict.ts";
import { build, packetOf } from "./build.ts";
import type { TestPacket } from "./evaluator.ts";
import { Dice, packetsOf, randomWorld } from "./random_worlds.ts";

/** As the host's packet filter evaluates it. */
function isAllowed({ tiers }: EgressGuard, { toIp, protocol, toPort }: TestPacket): boolean {
  return tiers.every((rules) => {
    const first = rules.find(({ blocks, services }) =>
      (blocks?.some((one) => subnetHas(parseSubnet(one), parseAddress(toIp))) ?? true) &&
      (services?.some((one) =>
        one.protocol === protocol &&
        (!one.ports || (one.ports.first <= toPort && toPort <= one.ports.last))
      ) ?? true)
    );
    return first?.action !== "deny";
  });
}

Deno.test("egressGuards() says of receivers that are no pods what the model says", () => {
  let denied = 0;
  for (let seed = 1; seed <= 80; seed++) {
    const world = randomWorld(new Dice(seed));
    const { model } = build(world);
    const guards = egressGuards(model);
    // Answers over SCTP are connections' of the other side: the host's connection tracker knows them.
    const here = new Set(world.endpoints.filter(({ isHere }) => isHere).map(({ id }) => id));
    const packets = packetsOf(world).filter(({ to, from, protocol }) =>
      !to && here.has(from?.id ?? "") && protocol !== 132
    );
    for (const packet of packets) {
      const guard = guards.find(({ tag, address }) =>
        tag === packet.tag && address === packet.fromIp
      );
      const expected = verdictOf(model, packetOf(packet), ["out"]).isAllowed;
      assertEquals(guard ? isAllowed(guard, packet) : true, expected, `seed ${seed}`);
      denied += expected ? 0 : 1;
    }
  }
  assert(denied > 500, `only ${denied} packets were denied`);
});
