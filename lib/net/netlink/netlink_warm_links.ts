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
import { attachPod, detachPod, ensurePodSide } from "./warm_pod_end.ts";

/** Opens the driver. Faults: usage; unavailable, if libc cannot be called. */
export function openNetlinkWarmLinks(
  { aliasPrefix, holding: name }: { readonly aliasPrefix: string; readonly holding: string },
): WarmLinks {
  checkAliasPrefix(aliasPrefix);
  const libc: Libc = openLibc();
  const holding = new HoldingNamespace(libc, name);
  checkNetns(holding.netns);
  const place = { libc, holding };
  // Async, so that a value that is not valid rejects the promise too.
  return {
    ensureHolding: () => holding.ensure(),
    createPairs: async (names, spec) => {
      names.forEach((one) => checkLinkName("warm port", one));
      if (names.length > 0) await createPairs(place, names, checkPairs(spec, aliasPrefix));
    },
    innerEnds: async (): Promise<InnerEnd[]> => {
      using there = holding.openSocket();
      return (await linksOf(there)).filter(({ kind }) => kind === "veth")
        .map(({ name, mtu, promiscuity }) => ({ name, mtu, isOccupied: promiscuity > 0 }));
    },
    attachPod: async (spec) => await attachPod(place, parsePair(spec, aliasPrefix)),
    ensurePodSide: async (spec) => await ensurePodSide(place, parsePair(spec, aliasPrefix)),
    detachPod: async (podEnd) => {
      checkNetns(podEnd.netns);
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
