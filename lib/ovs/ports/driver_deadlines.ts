// Holds a driver to its promise: every call ends at its time. What waits for a call in turn after it
// would else wait for ever where one forgets, or where what it waits for never says a word.

import type { PortDriver } from "./port_driver.ts";
import { withDeadline } from "../../util/async/deadline.ts";

// The driver's own sentence says more, and comes first.
const LATER_MS = 200;

/** Returns `driver`; each call that is late ends with Fault timeout. */
export function withDriverDeadlines(driver: PortDriver): PortDriver {
  const end = <T>(endMs: number, work: Promise<T>) =>
    withDeadline(endMs + LATER_MS, "Open vSwitch did not answer", work);
  return {
    rows: (endMs, options) => end(endMs, driver.rows(endMs, options)),
    commit: (jobs, endMs) => end(endMs, driver.commit(jobs, endMs)),
    settled: (cfg, endMs) => end(endMs, driver.settled(cfg, endMs)),
    forward: (arrival, endMs) => end(endMs, driver.forward(arrival, endMs)),
    gone: (name, endMs) => end(endMs, driver.gone(name, endMs)),
    dropFlows: (numbers, endMs) => end(endMs, driver.dropFlows(numbers, endMs)),
    addFlows: (flows, endMs) => end(endMs, driver.addFlows(flows, endMs)),
    state: () => driver.state(),
    close: () => driver.close(),
  };
}
