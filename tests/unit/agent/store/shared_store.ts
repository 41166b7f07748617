// A store with three networks that hosts share, for tests of agents that know a part of it.

import { assert } from "@std/assert";
import type { SetupAnswer } from "../../../../lib/agent/api/pod_requests.ts";
import { completeIndexes } from "../../../../lib/agent/store/index_keeper.ts";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import { startMemoryAgent } from "../../../memory/memory_agent.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";

/** Networks a, b and c, which is the Default one, with endpoints a1 to c3. */
export const NETWORKS = ["a", "b", "c"].map((name, at) => ({
  Name: name,
  ...{ Encap: "vxlan", SubnetCIDR: `10.${at + 1}.0.0/24`, Default: name === "c" },
  Endpoints: [1, 2, 3].map((n) => ({ Container: `${name}${n}` })),
}));

/** Makes a store with three networks, whose indexes are complete. */
export async function sharedStore(more: object = {}): Promise<MemoryStore> {
  const store = new MemoryStore();
  using first = await startMemoryAgent({ store: store.another(), label: "host0", isShared: true });
  await first.apply(NETWORKS, more);
  assert(await completeIndexes(first.cache) !== undefined);
  return store;
}

/** Returns the addresses that a set-up has answered with. */
export const addressesOf = ({ attachments }: SetupAnswer) =>
  attachments.flatMap(({ addresses }) => addresses).map((cidr) => cidr.split("/")[0]);

/** Returns a cache of the whole store. */
export function wholeOf(store: MemoryStore): Promise<StoreCache> {
  return StoreCache.load(store.another(), { isShared: true });
}
