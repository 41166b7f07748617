// POST /v1/gc: garbage collection on this host, or the removal of a host that is gone for good.

import type { Notifier } from "../../util/async/notifier.ts";
import type { Clock } from "../../util/clock.ts";
import type { Log } from "../../util/log.ts";
import type { Report } from "../../util/progress.ts";
import type { GcAnswer } from "../api/repair_requests.ts";
import { collectLocal, type CollectLocalDeps } from "../gc/collect_local.ts";
import type { StoreCache } from "../store/store_cache.ts";
import { type Body, hostOf } from "./request_bodies.ts";

/** What it works with. */
export interface GcRequestDeps extends CollectLocalDeps {
  readonly store: StoreCache;
  readonly clock: Pick<Clock, "wallMs">;
  readonly log: Pick<Log, "info">;
  readonly fabricSignal: Pick<Notifier, "notify">;
  readonly policySignal: Pick<Notifier, "notify">;
}

/** Collects, or removes the host that the body names. Faults: as removeHost(). */
export async function collectGarbage(
  deps: GcRequestDeps,
  body: Body,
  report?: Report,
): Promise<GcAnswer> {
  const isDry = body.dryRun === true;
  const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));
  if (body.host === undefined) return await collectLocal(deps, { isDry, pause });
  const host = hostOf(body);
  const { host: self, store, log, clock: { wallMs } } = deps;
  const isForced = body.force === true;
  const { removeHost } = await import("../store/remove_host.ts");
  try {
    const answer = await store.withWhole((cache) =>
      removeHost(cache, {
        ...{ host, self, isDry, isForced, pause, wallMs },
        ...report && { report },
      })
    );
    if (!isDry) log.info("host removed", { host, acts: answer.acts.length });
    return answer;
  } finally {
    // Also what was done before a failure: pods here may wait for such an endpoint.
    [deps.reconcileSignal, deps.fabricSignal, deps.policySignal].forEach((one) => one.notify());
  }
}
