// No outside call may block the agent forever. Each driver has time limits of its own; this one encloses
// them, for what they do not notice: a kernel that holds its lock, a disk that is gone.

import type { Entry, Store } from "../store/store.ts";
import { withDeadline } from "../util/async/deadline.ts";
import { Fault } from "../util/errors.ts";

/**
 * Returns `store` with a limit for each call. A list that is read page by page may take any time while
 * its pages keep coming: a store of 100,000 endpoints takes half a minute on a busy machine, and would
 * never be read.
 */
export function limitedStore(store: Store, limitMs: number): Store {
  const bounded = limited("store", store, limitMs);
  const list: Store["list"] = async (prefix, onPage) => {
    if (!onPage) return await bounded.list(prefix);
    const late = Promise.withResolvers<never>();
    const expire = () => late.reject(limitFault("store", "list", limitMs));
    let timer = setTimeout(expire, limitMs);
    const restart = (page: readonly Entry[]) => {
      clearTimeout(timer);
      timer = setTimeout(expire, limitMs);
      onPage(page);
    };
    try {
      return await Promise.race([store.list(prefix, restart), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  };
  return new Proxy(bounded, {
    get: (target, key) => key === "list" ? list : Reflect.get(target, key),
  });
}

/** Returns `driver` whose promises all settle within `limitMs`, if necessary with Fault timeout. */
export function limited<T extends object>(what: string, driver: T, limitMs: number): T {
  return new Proxy({} as T, {
    get: (_, key) => {
      const member: unknown = Reflect.get(driver, key, driver);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        const result: unknown = member.apply(driver, args);
        if (!(result instanceof Promise)) return result;
        const timeoutFault = () => limitFault(what, String(key), limitMs);
        return withDeadline(performance.now() + limitMs, timeoutFault, result);
      };
    },
  });
}

function limitFault(what: string, call: string, limitMs: number): Fault {
  return new Fault("timeout", `${what} did not answer in ${limitMs} ms`, {
    why: `${call} hangs`,
    fix: "check whether it works; the next reconciliation undoes what was begun",
  });
}
