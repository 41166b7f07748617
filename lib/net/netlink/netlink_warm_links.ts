// Warm ports' links through rtnetlink.

import {
  checkAliasPrefix,
  checkLinkName,
  checkMtu,
  checkNetns,
  parseAlias,
  parsePair,
} from "../pair_spec.ts";
import type { InnerEnd, WarmLinks, WarmPairSpec } from "../warm_links.ts";
import { HoldingNamespace } from "./holding_namespace.ts";
import { type Libc, openLibc } from "./libc.ts";
import { linksOf } from "./session.ts";
import { createPairs } from "./warm_pairs.ts";
import { attachPod, detachPod, ensurePodSide, hasMacvlan } from "./warm_pod_end.ts";

/** Opens the driver. Faults: usage; unavailable, if libc cannot be called. */
export function openNetlinkWarmLinks(
  { aliasPrefix, holding: name }: { readonly aliasPrefix: string; readonly holding: string },
): WarmLinks {
  checkAliasPrefix(aliasPrefix);
  const libc: Libc = openLibc();
  const holding = new HoldingNamespace(libc, name);
  checkNetns(holding.netns);
  const place = { libc, holding, innerIndexes: new Map<string, number>() };
  // Async, so that a value that is not valid rejects the promise too.
  return {
    isSupported: async () => {
      await holding.ensure();
      return await hasMacvlan(place);
    },
    createPairs: async (names, given) => {
      names.forEach((one) => checkLinkName("warm port", one));
      const spec = checkPairs(given, aliasPrefix);
      if (names.length === 0) return;
      await holding.ensure();
      await createPairs(place, names, spec);
    },
    innerEnds: async (): Promise<InnerEnd[]> => {
      await holding.ensure();
      using there = holding.openSocket();
      const ends = (await linksOf(there)).filter(({ kind }) => kind === "veth");
      place.innerIndexes.clear();
      for (const { name, index } of ends) place.innerIndexes.set(name, index);
      return ends
        .map(({ name, mtu, promiscuity }) => ({ name, mtu, isOccupied: promiscuity > 0 }));
    },
    attachPod: async (given) => {
      const spec = parsePair(given, aliasPrefix);
      await holding.ensure();
      await attachPod(place, spec);
    },
    ensurePodSide: async (given) => {
      const spec = parsePair(given, aliasPrefix);
      await holding.ensure();
      await ensurePodSide(place, spec);
    },
    detachPod: async (podEnd) => {
      checkNetns(podEnd.netns);
      await holding.ensure();
      await detachPod(place, podEnd);
    },
    close: () => holding[Symbol.dispose](),
  };
}

function checkPairs(spec: WarmPairSpec, aliasPrefix: string): WarmPairSpec {
  const { alias, mtu } = spec;
  checkMtu(mtu);
  return { ...spec, alias: parseAlias(alias, aliasPrefix) };
}
