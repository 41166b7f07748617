// Label selectors as Kubernetes defines them. Pure.

/** A label selector; an empty one matches everything. */
export interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly Expression[];
}

/** One requirement of a selector. */
export interface Expression {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values?: readonly string[];
}

/** Labels of a pod or namespace. */
export type Labels = Readonly<Record<string, string>>;

// Selectors are asked very often: what they do not have is not made anew for each.
const NO_LABELS: Labels = {};
const NO_EXPRESSIONS: readonly Expression[] = [];

/** Reports whether labels meet every requirement of `selector`. */
export function selectorMatches(
  { matchLabels = NO_LABELS, matchExpressions = NO_EXPRESSIONS }: Selector,
  labels: Labels,
): boolean {
  for (const key in matchLabels) if (labels[key] !== matchLabels[key]) return false;
  return matchExpressions.every((one) => expressionMatches(one, labels));
}

function expressionMatches({ key, operator, values = [] }: Expression, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      // A label that is not there is not in either (labels.Requirement.Matches of apimachinery).
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
  }
}

/** Reports whether a selector asks for nothing, so that it has whatever there is. */
export function isEmpty(
  { matchLabels = NO_LABELS, matchExpressions = NO_EXPRESSIONS }: Selector,
): boolean {
  for (const _ in matchLabels) return false;
  return matchExpressions.length === 0;
}

/** Returns the same text for selectors that say the same in another order. */
export function selectorKey(
  { matchLabels = NO_LABELS, matchExpressions = NO_EXPRESSIONS }: Selector,
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

/** Returns a label that whatever matches must have; undefined where there is none. */
export function requiredLabel(
  { matchLabels = NO_LABELS, matchExpressions = NO_EXPRESSIONS }: Selector,
): Label | undefined {
  for (const key in matchLabels) return { key, value: matchLabels[key]! };
  const only = matchExpressions.find(({ operator, values = [] }) =>
    operator === "In" && values.length === 1
  );
  return only && { key: only.key, value: only.values![0]! };
}
