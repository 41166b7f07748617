// Repairs claims that do not match the records. Differences are checked twice, a moment apart, and each
// repair checks that nothing has changed since: what changes meanwhile is left to the client that changes it.

import { auditClaims } from "../../intent/audit.ts";
import { planRepairs, type Repair } from "../../intent/claim_repair.ts";
import type { Report } from "../../util/progress.ts";
import type { RepairAct, RepairAnswer } from "../api/repair_requests.ts";
import type { StoreCache } from "./store_cache.ts";

// Longer than a commit in progress or a late watch.
const BETWEEN_MS = 1_000;

/** Repairs claims; with `isDry` only reports what would be done. Faults: unavailable, timeout. */
export async function repairClaims(
  cache: StoreCache,
  { isDry, pause, report = () => {} }: {
    readonly isDry: boolean;
    readonly pause: (ms: number) => Promise<void>;
    readonly report?: Report;
  },
): Promise<RepairAnswer> {
  await cache.catchUp();
  const first = planRepairs(cache.documents);
  if (first.length > 0) await pause(BETWEEN_MS);
  await cache.catchUp();
  const lasting = planRepairs(cache.documents).filter((one) =>
    first.some((old) => isSame(one, old))
  );
  const acts: RepairAct[] = [];
  for (const repair of lasting) {
    acts.push(await act(cache, repair, isDry));
    report(acts.length, lasting.length);
  }
  return { acts, left: auditClaims(cache.documents) };
}

function isSame(a: Repair, b: Repair): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

async function act(
  cache: StoreCache,
  { act, claim, why, checks, writes }: Repair,
  isDry: boolean,
): Promise<RepairAct> {
  if (act === "keep" || isDry) return { act, claim, why };
  const result = await cache.tryCommit(checks, writes);
  if (result.done) return { act, claim, why };
  await cache.refresh(result.conflict);
  return { act: "keep", claim, why: "it has changed meanwhile" };
}
