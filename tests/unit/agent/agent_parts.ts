// The parts that rooms of the agent work with, on the host and the store of an agent in memory: for tests
// of one function that a whole agent does not expose.

import { GracePeriod } from "../../../lib/agent/gc/grace_period.ts";
import { LinkRemovals } from "../../../lib/agent/pods/link_removals.ts";
import { createPlumbing } from "../../../lib/agent/pods/plumbing.ts";
import { WarmPorts } from "../../../lib/agent/pods/warm_ports.ts";
import { LogDedup } from "../../../lib/util/log_dedup.ts";
import { MemoryLog } from "../../memory/memory_log.ts";
import type { MemoryAgent } from "../../memory/memory_agent.ts";

/** Returns parts of a running agent; log and grace period are the test's own. */
export function partsOf({ agent, host, cache, time }: MemoryAgent) {
  const log = new MemoryLog();
  let notified = 0;
  const reconcileSignal = { notify: () => void notified++ };
  const linkRemovals = new LinkRemovals(host.links, log, () => {});
  const warmPorts = new WarmPorts({ ...host, linkRemovals, log, reconcileSignal });
  const plumbing = createPlumbing({
    ...{ host: "host1", store: cache, switch: host.switch, links: host.links, log },
    ...{ linkRemovals, warmPorts, reconcileSignal },
  });
  return {
    ...{ host: "host1", store: cache, plumbing, log, reconcileSignal },
    ...{ runtimes: host.runtimes, sandboxes: agent.sandboxes, logDedup: new LogDedup() },
    clock: { now: () => time.now, wallMs: () => time.wall },
    gracePeriod: new GracePeriod(60_000, () => time.now),
    /** How often a reconciliation was asked for. */
    notified: () => notified,
  };
}
