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

/** Reports whether labels meet every requirement of `selector`. */
export function selectorMatches(selector: Selector, labels: Labels): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector;
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

/** Gives the same text for selectors that say the same in another order. */
export function selectorKey({ matchLabels = {}, matchExpressions = [] }: Selector): string {
  const labels = Object.entries(matchLabels).sort(([a], [b]) => a < b ? -1 : 1);
  const expressions = matchExpressions
    .map(({ key, operator, values = [] }) => JSON.stringify([key, operator, [...values].sort()]))
    .sort();
  return JSON.stringify([labels, expressions]);
}

/** Gives a label `key=value` that whatever matches must have; undefined where there is none. */
export function requiredLabel({ matchLabels = {}, matchExpressions = [] }: Selector) {
  const [label] = Object.entries(matchLabels);
  if (label) return `${label[0]}=${label[1]}`;
  const only = matchExpressions.find(({ operator, values = [] }) =>
    operator === "In" && values.length === 1
  );
  return only && `${only.key}=${only.values?.[0]}`;
}
