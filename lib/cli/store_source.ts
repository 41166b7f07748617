// Where `store copy` and `store backup` read from.

import type { OpenOptions } from "../store/open_options.ts";
import { openStore } from "../store/open_store.ts";
import type { Store } from "../store/store.ts";
import { Fault } from "../util/errors.ts";
import { withEnvironment } from "./agent_or_store.ts";

/** Something to copy from. */
export type StoreSource = Pick<Store, "list" | "close">;

/** Opens a store that is there. Faults: not_found; those of the store. */
export async function openSource(url: string, options: OpenOptions): Promise<StoreSource> {
  const path = /^sqlite:(?:\/\/(?=\/))?(.+)$/.exec(url)?.[1];
  // SQLite would create what is not there.
  if (path !== undefined && !await isFile(path)) {
    throw new Fault("not_found", `store ${url.slice(0, 200)} not found`, {
      fix: "see --store and --state-dir of the agent",
    });
  }
  return await openStore(url, withEnvironment(options));
}

function isFile(path: string): Promise<boolean> {
  return Deno.stat(path).then(({ isFile }) => isFile, () => false);
}
