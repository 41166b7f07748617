// No outside call may block the agent forever. Each driver has time limits of its own; this one encloses
// them, for what they do not notice: a kernel that holds its lock, a disk that is gone.

import { withDeadline } from "../util/async/deadline.ts";
import { Fault } from "../util/errors.ts";

/** Returns `driver` whose promises all settle within `limitMs`, if necessary with Fault timeout. */
export function limited<T extends object>(what: string, driver: T, limitMs: number): T {
  return new Proxy({} as T, {
    get: (_, key) => {
      const member: unknown = Reflect.get(driver, key, driver);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        const result: unknown = member.apply(driver, args);
        if (!(result instanceof Promise)) return result;
        const timeoutFault = () =>
          new Fault("timeout", `${what} did not answer in ${limitMs} ms`, {
            why: `${String(key)} hangs`,
            fix: "check whether it works; the next reconciliation undoes what was begun",
          });
        return withDeadline(performance.now() + limitMs, timeoutFault, result);
      };
    },
  });
}
