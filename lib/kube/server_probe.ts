// Is the API server still reachable, and is its history still the same? A connection can die silently, and then no
// watch ever reports anything; and an etcd that was restored from a backup is behind our resourceVersions, where a
// watch is silent, too (Kubernetes 1.20).

import { Fault } from "../util/errors.ts";
import { pause } from "../util/async/pause.ts";

/** What a probe works with. */
export interface ServerProbeOptions {
  /** Time between two probes; it has jitter. */
  readonly intervalMs: number;
  /** Returns the server's newest resourceVersion; what it throws ends the connection. */
  readonly request: (limitMs: number) => Promise<string | undefined>;
  /** Returns the resourceVersions of all caches. */
  readonly cachedVersions: () => readonly (string | undefined)[];
  /** Called if the server is behind a cache: then no cache is valid. */
  readonly onRollback: () => void;
}

const LIMIT_MS = 10_000;

/** Probes the API server from time to time. */
export class ServerProbe {
  readonly #options: ServerProbeOptions;

  constructor(options: ServerProbeOptions) {
    this.#options = options;
  }

  /** Probes until `signal` aborts. Faults: if there is no response, or the server is behind a cache. */
  async run(signal: AbortSignal): Promise<void> {
    const { intervalMs, request, cachedVersions, onRollback } = this.#options;
    while (!signal.aborted) {
      await pause(intervalMs * (0.8 + Math.random() / 5), signal);
      if (signal.aborted) return;
      const before = cachedVersions();
      const now = await request(Math.min(LIMIT_MS, Math.max(1_000, intervalMs)));
      if (!isBehind(now, before)) continue;
      onRollback();
      throw new Fault("unavailable", "API server has rolled back", {
        why: `its resourceVersion is ${now}, and was higher before`,
        fix: "none needed: all objects are relisted",
      });
    }
  }
}

/** Reports whether `now` is lower than one of `versions`; versions that are not numbers are ignored. */
export function isBehind(
  now: string | undefined,
  versions: readonly (string | undefined)[],
): boolean {
  const number = numberIn(now);
  if (number === undefined) return false;
  return versions.some((version) => (numberIn(version) ?? 0n) > number);
}

function numberIn(version: string | undefined): bigint | undefined {
  return version !== undefined && /^\d{1,20}$/.test(version) ? BigInt(version) : undefined;
}
