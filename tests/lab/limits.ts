// How long tests wait. A limit ends a hang, it judges no speed: a machine that is several times slower
// than the one on which it was chosen, or busy, must pass as well. What judges speed is the benchmark.

/** How slow this machine was at the start of the run, 1 where it is as fast as the reference or not measured. */
export const FACTOR = Math.max(1, Number(measured()) || 1);

/** Returns what install.sh has measured; unit tests may not read the environment, and do not wait for others. */
function measured(): string | undefined {
  const name = "env", variable = "K8CONTIVNET_TEST_FACTOR";
  const { state } = Deno.permissions.querySync({ name, variable });
  return state === "granted" ? Deno.env.get(variable) : undefined;
}

/** Returns a time limit that is itself part of what is tested: `ms` on the reference machine. */
export function scaled(ms: number): number {
  return Math.round(ms * FACTOR);
}

const LONGEST_MS = 120_000;

/**
 * Returns when something that takes less than `ms` on a quiet machine has to be given up as a hang. Load
 * that comes during the run is in no factor: so ten times as much, up to two minutes. Nothing that passes
 * waits as long.
 */
export function patient(ms: number): number {
  return scaled(Math.max(ms, Math.min(10 * ms, LONGEST_MS)));
}

/** Returns a signal that ends what hangs. */
export function hangSignal(ms: number): AbortSignal {
  return AbortSignal.timeout(patient(ms));
}
