// No outside call may keep the agent waiting for ever. Each driver has limits of its own; this one is
// around them, for what they cannot see: a kernel that holds its lock, a disk that is gone.

import { withDeadline } from "../util/async/deadline.ts";
import { Fault } from "../util/errors.ts";

/** Returns `driver`; each promise of its methods settles within `limitMs`, with Fault timeout if need be. */
export function limited<T extends object>(what: string, driver: T, limitMs: number): T {
  return new Proxy({} as T, {
    get: (_, key) => {
      const member: unknown = Reflect.get(driver, key, driver);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        const result: unknown = member.apply(driver, args);
        if (!(result instanceof Promise)) return result;
        const late = () =>
          new Fault("timeout", `${what} gave no answer in ${limitMs} ms`, {
            why: `${String(key)} hangs`,
            fix: "see whether it is well; what was begun is taken back by the next look",
          });
        return withDeadline(performance.now() + limitMs, late, result);
      };
    },
  });
}
