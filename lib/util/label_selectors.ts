// Labels and label selectors as Kubernetes defines them (meta/v1 LabelSelector). Pure.
//
// Policies match labels that are known in full: selectorMatches(). Of a pod whose network is being chosen only a
// part may be known, or nothing: selectorMatchesKnown() then answers yes, no, or "not known", and the
// three are kept apart, so that no pod gets a network that may not be its own.

/** A Kubernetes label selector. An empty one matches everything. */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly LabelExpression[];
}

/** One requirement of a selector; In and NotIn have values, the others none. */
export interface LabelExpression {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values?: readonly string[];
}

/** Labels of a pod or namespace, all of them. */
export type Labels = Readonly<Record<string, string>>;

/** Labels or annotations, as far as they are known. */
export interface KnownLabels {
  readonly values: Labels;
  /** There are no others than `values`. */
  readonly isComplete: boolean;
}

/** Nothing is known: not even whether there are any. */
export const UNKNOWN: KnownLabels = { values: {}, isComplete: false };

/** It is known that there are none. */
export const NONE: KnownLabels = { values: {}, isComplete: true };

// Selectors are evaluated very often: default values are not allocated each time.
const NO_LABELS: Labels = {};
const NO_EXPRESSIONS: readonly LabelExpression[] = [];

/** Reports whether labels meet every requirement of `selector`. */
export function selectorMatches(
  { matchLabels = NO_LABELS, matchExpressions = NO_EXPRESSIONS }: LabelSelector,
  labels: Labels,
): boolean {
  for (const key in matchLabels) if (labels[key] !== matchLabels[key]) return false;
  return matchExpressions.every((one) => isMet(one, valueOf(labels, one.key)));
}

/** Reports whether `selector` matches; undefined where what is known of the labels does not decide it. */
export function selectorMatchesKnown(
  { matchLabels = NO_LABELS, matchExpressions = NO_EXPRESSIONS }: LabelSelector,
  labels: KnownLabels,
): boolean | undefined {
  const verdicts = [
    ...Object.entries(matchLabels).map(([key, value]) =>
      isKnownMet({ key, operator: "In", values: [value] }, labels)
    ),
    ...matchExpressions.map((expression) => isKnownMet(expression, labels)),
  ];
  if (verdicts.includes(false)) return false;
  return verdicts.includes(undefined) ? undefined : true;
}

/** Returns the value of `key`, undefined where it is not there or not known. */
export function knownValue({ values }: KnownLabels, key: string): string | undefined {
  return valueOf(values, key);
}

// Own properties only: each JavaScript object inherits "constructor", which is not a label.
function valueOf(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

function isKnownMet(expression: LabelExpression, labels: KnownLabels): boolean | undefined {
  const value = knownValue(labels, expression.key);
  return value === undefined && !labels.isComplete ? undefined : isMet(expression, value);
}

/** Reports whether a label of that value meets a requirement; undefined: there is no such label. */
function isMet({ operator, values = [] }: LabelExpression, value: string | undefined): boolean {
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      // Also met without the label (labels.Requirement.Matches of apimachinery).
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
  }
}

/** Reports whether a selector requires nothing, so that it matches everything. */
export function isEmptySelector(
  { matchLabels = NO_LABELS, matchExpressions = NO_EXPRESSIONS }: LabelSelector,
): boolean {
  for (const _ in matchLabels) return false;
  return matchExpressions.length === 0;
}

/** Returns the same text for selectors that say the same in another order. */
export function selectorKey(
  { matchLabels = NO_LABELS, matchExpressions = NO_EXPRESSIONS }: LabelSelector,
): string {
  const labels = Object.entries(matchLabels);
  if (labels.length > 1) labels.sort(([a], [b]) => a < b ? -1 : 1);
  if (matchExpressions.length === 0) return JSON.stringify(labels);
  const expressions = matchExpressions
    .map(({ key, operator, values = [] }) => JSON.stringify([key, operator, [...values].sort()]))
    .sort();
  return JSON.stringify([labels, expressions]);
}

/** A label with its value. */
export interface Label {
  readonly key: string;
  readonly value: string;
}

/** Returns a label that everything matched must have; undefined where there is none. */
export function requiredLabel(
  { matchLabels = NO_LABELS, matchExpressions = NO_EXPRESSIONS }: LabelSelector,
): Label | undefined {
  for (const key in matchLabels) return { key, value: matchLabels[key]! };
  const only = matchExpressions.find(({ operator, values = [] }) =>
    operator === "In" && values.length === 1
  );
  return only && { key: only.key, value: only.values![0]! };
}

const WORD = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
const PREFIX = /^(?=.{1,253}\/)[a-z0-9]([a-z0-9.-]*[a-z0-9])?\//;

/** Reports whether `key` is a valid label key: a word of up to 63 characters, optionally after `DOMAIN/`. */
export function isLabelKey(key: string): boolean {
  return WORD.test(key.replace(PREFIX, ""));
}

/** Reports whether `value` is a valid label value: empty, or a word of up to 63 characters. */
export function isLabelValue(value: string): boolean {
  return value === "" || WORD.test(value);
}
