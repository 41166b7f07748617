// Counters and histograms, and Prometheus' text format for them, version 0.0.4:
// https://prometheus.io/docs/instrumenting/exposition_formats/. Pure.
//
// Own code: prom-client takes 10 MB of memory and 50 ms to load, for what is 100 lines here.

import { type MetricName, METRICS, type MetricSpec } from "./metric_table.ts";

/** Values of a metric's labels, in the order of its table. */
export type LabelValues = readonly string[];

/** One value of a metric. */
export interface Sample {
  readonly labels: LabelValues;
  readonly value: number;
}

/** The values of one metric at one moment. */
export interface Family {
  readonly name: MetricName;
  /** Lines of the text after HELP and TYPE. */
  readonly lines: readonly string[];
}

/** Upper limits of the buckets of durations, in seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Most combinations of label values of one counter or histogram; further ones share one. */
const MOST_SERIES = 200;
/** Stands for the values of all labels of what is beyond a limit. */
export const OTHERS = "(others)";

/** Numbers by label values, of which there are only as many as the limit. */
class Series<T> {
  readonly #byKey = new Map<string, { readonly labels: LabelValues; readonly entry: T }>();
  readonly #create: () => T;

  constructor(create: () => T) {
    this.#create = create;
  }

  at(labels: LabelValues): T {
    const key = labels.join("\0");
    const found = this.#byKey.get(key);
    if (found) return found.entry;
    const isOther = labels.every((value) => value === OTHERS);
    if (this.#byKey.size >= MOST_SERIES && !isOther) return this.at(labels.map(() => OTHERS));
    const entry = this.#create();
    this.#byKey.set(key, { labels, entry });
    return entry;
  }

  entries(): Iterable<{ readonly labels: LabelValues; readonly entry: T }> {
    return this.#byKey.values();
  }
}

/** A number that only grows, by label values. */
export class Counter {
  readonly name: MetricName;
  readonly #series = new Series(() => ({ count: 0 }));

  /** Series of `initial` are there from the start, at 0: a first increment is then seen as one. */
  constructor(name: MetricName, initial: readonly LabelValues[] = []) {
    this.name = name;
    for (const labels of initial) this.#series.at(labels);
  }

  add(...labels: LabelValues): void {
    this.#series.at(labels).count++;
  }

  family(): Family {
    const samples = [...this.#series.entries()]
      .map(({ labels, entry }) => ({ labels, value: entry.count }));
    return familyOf(this.name, samples);
  }
}

/** Durations in buckets, by label values. */
export class Histogram {
  readonly name: MetricName;
  readonly #series = new Series(() => ({ counts: BUCKETS.map(() => 0), count: 0, sum: 0 }));

  /** Series of `initial` are there from the start, as those of a Counter. */
  constructor(name: MetricName, initial: readonly LabelValues[] = []) {
    this.name = name;
    for (const labels of initial) this.#series.at(labels);
  }

  /** Records a duration in seconds. */
  observe(seconds: number, ...labels: LabelValues): void {
    const series = this.#series.at(labels);
    const bucket = BUCKETS.findIndex((limit) => seconds <= limit);
    if (bucket >= 0) series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
    series.count++;
    series.sum += seconds;
  }

  family(): Family {
    const { name } = this;
    const names = METRICS[name].labels;
    const lines = [...this.#series.entries()].flatMap(({ labels, entry }) => {
      let total = 0;
      const buckets = entry.counts.map((count, at) => {
        total += count;
        return lineOf(`${name}_bucket`, [...names, "le"], [...labels, String(BUCKETS[at])], total);
      });
      return [
        ...buckets,
        lineOf(`${name}_bucket`, [...names, "le"], [...labels, "+Inf"], entry.count),
        lineOf(`${name}_sum`, names, labels, entry.sum),
        lineOf(`${name}_count`, names, labels, entry.count),
      ];
    });
    return { name, lines };
  }
}

/** Returns the samples of a counter or gauge as a family. */
export function familyOf(name: MetricName, samples: readonly Sample[]): Family {
  const { labels } = METRICS[name];
  return { name, lines: samples.map((one) => lineOf(name, labels, one.labels, one.value)) };
}

/** Returns a metric without labels; none if it is undefined. */
export function gaugeOf(name: MetricName, value: number | boolean | undefined): Family {
  return familyOf(name, value === undefined ? [] : [{ labels: [], value: Number(value) }]);
}

/** Returns at most `most` samples, in the order of their labels; the others are summed up in one more. */
export function boundedSamples(samples: readonly Sample[], most = MOST_SERIES): Sample[] {
  const sorted = samples.map((one) => ({ key: one.labels.join("\0"), one }))
    .sort((a, b) => a.key < b.key ? -1 : 1).map(({ one }) => one);
  const [first] = sorted;
  if (!first || sorted.length <= most) return sorted;
  const value = sorted.slice(most).reduce((sum, one) => sum + one.value, 0);
  return [...sorted.slice(0, most), { labels: first.labels.map(() => OTHERS), value }];
}

/** Returns the text of families; a family without values is left out. */
export function exposition(families: readonly Family[]): string {
  return families.filter(({ lines }) => lines.length > 0).map(({ name, lines }) => {
    const { help, type }: MetricSpec = METRICS[name];
    const escaped = help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
    return `# HELP ${name} ${escaped}\n# TYPE ${name} ${type}\n${lines.join("\n")}\n`;
  }).join("");
}

function lineOf(
  name: string,
  names: readonly string[],
  values: LabelValues,
  value: number,
): string {
  const labels = names.map((label, at) => `${label}="${escapeLabel(values[at] ?? "")}"`);
  return `${name}${labels.length > 0 ? `{${labels.join(",")}}` : ""} ${numberText(value)}`;
}

function escapeLabel(value: string): string {
  return value.toWellFormed().replaceAll("\\", "\\\\").replaceAll('"', '\\"')
    .replaceAll("\n", "\\n");
}

function numberText(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value); // NaN is spelled the same
}
