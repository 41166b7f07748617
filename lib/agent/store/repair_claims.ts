// Repairs what records and claims do not say alike. What differs is looked at twice, a moment apart,
// and each act checks that all is as it was seen: what moves meanwhile is left to whoever moves it.

import { auditClaims } from "../../intent/audit.ts";
import { planRepairs, type Repair } from "../../intent/claim_repair.ts";
import type { RepairAct, RepairAnswer } from "../api.ts";
import type { StoreCache } from "./store_cache.ts";

// Longer than a commit that is under way, and than a watch that tells late.
const BETWEEN_MS = 1_000;

/** Repairs; with `isDry` only says what would be done. Faults: unavailable, timeout. */
export async function repairClaims(
  mirror: StoreCache,
  { isDry, pause }: { readonly isDry: boolean; readonly pause: (ms: number) => Promise<void> },
): Promise<RepairAnswer> {
  await mirror.catchUp();
  const first = planRepairs(mirror.documents);
  if (first.length > 0) await pause(BETWEEN_MS);
  await mirror.catchUp();
  const lasting = planRepairs(mirror.documents).filter((one) =>
    first.some((old) => isSame(one, old))
  );
  const acts: RepairAct[] = [];
  for (const repair of lasting) acts.push(await act(mirror, repair, isDry));
  return { acts, left: auditClaims(mirror.documents) };
}

function isSame(a: Repair, b: Repair): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

async function act(
  mirror: StoreCache,
  { act, claim, why, checks, writes }: Repair,
  isDry: boolean,
): Promise<RepairAct> {
  if (act === "keep" || isDry) return { act, claim, why };
  const result = await mirror.tryCommit(checks, writes);
  if (result.done) return { act, claim, why };
  await mirror.refresh(result.conflict);
  return { act: "keep", claim, why: "it has changed meanwhile" };
}
