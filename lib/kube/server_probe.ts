// Is the way to the API server still there, and is it still the same history? A connection can die
// without a word, and then no watch tells anything for ever; and an etcd that was restored from a
// backup is behind the versions that we know, where a watch is silent, too (Kubernetes 1.20).

import { Fault } from "../util/errors.ts";
import { pause } from "../util/async/pause.ts";

/** What a pulse asks and tells. */
export interface ServerProbeOptions {
  readonly intervalMs: number;
  /** Returns the server's newest version; what it throws ends the connection. */
  readonly ask: (limitMs: number) => Promise<string | undefined>;
  /** Versions up to which something is known. */
  readonly known: () => readonly (string | undefined)[];
  /** The server's history is behind what is known: nothing of it can be trusted. */
  readonly onBack: () => void;
}

const LIMIT_MS = 10_000;

/** Asks from time to time. */
export class ServerProbe {
  readonly #options: ServerProbeOptions;

  constructor(options: ServerProbeOptions) {
    this.#options = options;
  }

  /** Asks until `signal` aborts. Faults: when there is no answer, or one of another history. */
  async keep(signal: AbortSignal): Promise<void> {
    const { intervalMs, ask, known, onBack } = this.#options;
    while (!signal.aborted) {
      await pause(intervalMs * (0.8 + Math.random() / 5), signal);
      if (signal.aborted) return;
      const before = known();
      const now = await ask(Math.min(LIMIT_MS, Math.max(1_000, intervalMs)));
      if (!isBehind(now, before)) continue;
      onBack();
      throw new Fault("unavailable", "API server's history has gone back", {
        why: `it is at version ${now}, and told later ones before`,
        fix: "nothing: all is read anew",
      });
    }
  }
}

/** Reports whether `now` is before one of `versions`; versions that are no numbers tell nothing. */
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
