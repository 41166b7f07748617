// Samples, their quantiles, and the tables made from them.

/** Samples by what was measured, such as `setup@100`: milliseconds unless the name has another unit. */
export type Samples = Map<string, number[]>;

/** Adds one sample. */
export function note(samples: Samples, name: string, value: number): void {
  const list = samples.get(name) ?? [];
  list.push(Math.round(value * 1000) / 1000);
  samples.set(name, list);
}

/** Returns the quantile `q` (0 to 1) of the samples of `name`. */
export function quantile(samples: Samples, name: string, q: number): number {
  const sorted = [...samples.get(name) ?? []].sort((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
  if (value === undefined) throw new Error(`no sample of ${name}`);
  return value;
}

/** Returns the mean of the samples of `name`, and the standard error of it. */
export function meanOf(samples: Samples, name: string): { mean: number; error: number } {
  const list = samples.get(name) ?? [];
  if (list.length < 2) throw new Error(`fewer than two samples of ${name}`);
  const mean = list.reduce((sum, value) => sum + value, 0) / list.length;
  const squares = list.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, error: Math.sqrt(squares / (list.length - 1) / list.length) };
}

/** Runs `work` once and returns how many milliseconds it took. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** One row of the table of ratios. */
export interface Ratio {
  readonly what: string;
  readonly value: number;
  /** The goal: at most `goal`, or at least `least`. With neither, the ratio is shown for information. */
  readonly goal?: number;
  readonly least?: number;
}

function verdictOf({ value, goal, least }: Ratio): string {
  if (goal === undefined && least === undefined) return "– | ";
  const words = goal === undefined ? `at least ${least}` : `at most ${goal}`;
  const isMet = value <= (goal ?? Infinity) && value >= (least ?? -Infinity);
  return `${words} | ${isMet ? "met" : "**missed**"}`;
}

/** Returns the Markdown of both tables. */
export function tables(samples: Samples, ratios: readonly Ratio[]): string {
  const figure = (value: number) => value.toFixed(value < 10 ? 2 : 1);
  const rows = [...samples.keys()].map((name) =>
    `| ${name} | ${figure(quantile(samples, name, 0.5))} | ${
      figure(quantile(samples, name, 0.9))
    } | ${samples.get(name)?.length} |`
  );
  const lines = ratios.map((ratio) =>
    `| ${ratio.what} | ${ratio.value.toFixed(2)} | ${verdictOf(ratio)} |`
  );
  return [
    "| figure (from medians) | measured | goal | |",
    "|---|---|---|---|",
    ...lines,
    "",
    "| measurement (ms unless stated) | p50 | p90 | samples |",
    "|---|---|---|---|",
    ...rows,
  ].join("\n");
}
