// `get --watch`: what has changed since the last look. An agent is asked every second: its answer takes
// milliseconds, and a connection that ends, as an agent restarts, needs no more than the next question.

import type { Item } from "../agent/server/item_names.ts";
import { namesOf } from "../agent/server/item_names.ts";
import { isUnreachable } from "../util/errors.ts";

/** How an item differs from the last look. */
export interface ItemChange {
  readonly sign: "+" | "~" | "-";
  readonly item: Item;
}

/** Returns the changes from `before` to `after`, in the order of `after`; what is gone comes last. */
export function itemChanges(before: readonly Item[], after: readonly Item[]): ItemChange[] {
  const known = keyed(before);
  const now = keyed(after);
  const changed = [...now].flatMap(([key, item]): ItemChange[] => {
    const old = known.get(key);
    if (!old) return [{ sign: "+", item }];
    return JSON.stringify(old) === JSON.stringify(item) ? [] : [{ sign: "~", item }];
  });
  const gone = [...known].filter(([key]) => !now.has(key));
  return [...changed, ...gone.map(([, item]): ItemChange => ({ sign: "-", item }))];
}

/** Items by what names them; several of one name are numbered. */
function keyed(items: readonly Item[]): Map<string, Item> {
  const byKey = new Map<string, Item>();
  for (const item of items) {
    // An event has no name: its time and text are.
    const name = [namesOf(item)[1] ?? "", item.sandbox, item.interface, item.at, item.message].join(
      " ",
    );
    let key = name;
    for (let n = 2; byKey.has(key); n++) key = `${name} ${n}`;
    byKey.set(key, item);
  }
  return byKey;
}

/** What a watch works with. */
export interface WatchDeps {
  readonly list: () => Promise<readonly Item[]>;
  readonly show: (changes: readonly ItemChange[]) => Promise<void> | void;
  readonly warn: (message: string) => void;
  /** Waits for the next look; false at the end of the watch. */
  readonly wait: () => Promise<boolean>;
}

/** Shows all items, and from then on changes, until `wait` says that it is over. Faults: of the first list. */
export async function watchItems({ list, show, warn, wait }: WatchDeps): Promise<void> {
  let known = await list();
  let isAway = false;
  await show(itemChanges([], known));
  while (await wait()) {
    try {
      const now = await list();
      if (isAway) warn("the agent answers again");
      isAway = false;
      const changes = itemChanges(known, now);
      known = now;
      if (changes.length > 0) await show(changes);
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      if (!isAway) warn(`waiting: ${(error as Error).message}`);
      isAway = true;
    }
  }
}
