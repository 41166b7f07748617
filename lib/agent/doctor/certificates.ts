// Whether a certificate is valid now, and for how long. Pure.

import type { CheckItem } from "../api/agent_health.ts";
import type { Findings } from "./findings.ts";

const DAY_MS = 86_400_000;
/** A certificate that ends within these days is warned of. */
const FEW_DAYS = 14;

/** A certificate, by its dates. */
export interface Dates {
  /** `certificate /etc/ca.pem` */
  readonly what: string;
  readonly from?: Date;
  readonly to: Date;
}

/** Judges a certificate by the clock of this host. `fix` is the way out where it has ended, or will. */
export function judgeCertificate(
  { ok, warning, failed }: Findings,
  id: string,
  { what, from, to }: Dates,
  { nowMs, fix }: { readonly nowMs: number; readonly fix: string },
): CheckItem {
  if (nowMs > to.getTime()) return failed(id, `${what} expired on ${dayOf(to)}`, fix);
  if (from && nowMs < from.getTime()) {
    const message = `${what} is not valid before ${dayOf(from)}`;
    return failed(id, message, "see whether the clock is right");
  }
  const days = Math.floor((to.getTime() - nowMs) / DAY_MS);
  if (days < FEW_DAYS) {
    const when = days === 0 ? "in less than a day" : days === 1 ? "in 1 day" : `in ${days} days`;
    return warning(id, `${what} expires ${when}`, fix);
  }
  return ok(id, `${what} is valid until ${dayOf(to)}`);
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}
