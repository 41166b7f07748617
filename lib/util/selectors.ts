// Labels and the selectors that look at them, as Kubernetes means them. Pure.
//
// What is known of a pod's labels may be a part of them, or nothing: then a selector is matched, is
// not, or nobody can tell. The three are kept apart, so that no pod lands where it may not belong.

/** A Kubernetes label selector. Empty, it matches all. */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly LabelExpression[];
}

/** One condition of a selector; In and NotIn have values, the others none. */
export interface LabelExpression {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values?: readonly string[];
}

/** Labels or annotations, as far as they are known. */
export interface Marks {
  readonly values: Readonly<Record<string, string>>;
  /** There are no others than `values`. */
  readonly isWhole: boolean;
}

/** Nothing is known: not even whether there are any. */
export const UNKNOWN: Marks = { values: {}, isWhole: false };

/** It is known that there are none. */
export const NONE: Marks = { values: {}, isWhole: true };

/** Returns the value of `key`, undefined where it is not there or not known. */
export function markOf({ values }: Marks, key: string): string | undefined {
  return Object.hasOwn(values, key) ? values[key] : undefined;
}

/** Reports whether `selector` matches; undefined where what is known of the labels cannot tell. */
export function selects(
  { matchLabels = {}, matchExpressions = [] }: LabelSelector,
  marks: Marks,
): boolean | undefined {
  const verdicts = [
    ...Object.entries(matchLabels).map(([key, value]) =>
      holds({ key, operator: "In", values: [value] }, marks)
    ),
    ...matchExpressions.map((expression) => holds(expression, marks)),
  ];
  if (verdicts.includes(false)) return false;
  return verdicts.includes(undefined) ? undefined : true;
}

/** As Kubernetes has it, NotIn holds also where the label is not there. */
function holds({ key, operator, values = [] }: LabelExpression, marks: Marks): boolean | undefined {
  const value = markOf(marks, key);
  if (value === undefined) {
    if (!marks.isWhole) return undefined;
    return operator === "NotIn" || operator === "DoesNotExist";
  }
  switch (operator) {
    case "In":
      return values.includes(value);
    case "NotIn":
      return !values.includes(value);
    case "Exists":
      return true;
    case "DoesNotExist":
      return false;
  }
}

const WORD = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
const PREFIX = /^(?=.{1,253}\/)[a-z0-9]([a-z0-9.-]*[a-z0-9])?\//;

/** Reports whether `key` can be a label's: a word of up to 63 characters, maybe after `DOMAIN/`. */
export function isLabelKey(key: string): boolean {
  return WORD.test(key.replace(PREFIX, ""));
}

/** Reports whether `value` can be a label's: empty, or a word of up to 63 characters. */
export function isLabelValue(value: string): boolean {
  return value === "" || WORD.test(value);
}
