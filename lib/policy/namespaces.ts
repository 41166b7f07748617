// Which namespaces a selector matches. Most selectors require the label with one namespace's name: an index
// by label finds it without a test of each namespace.

import {
  type Labels,
  type LabelSelector,
  requiredLabel,
  selectorMatches,
} from "../util/label_selectors.ts";

/** Known namespaces with an index by label. */
export class Namespaces {
  readonly #labels = new Map<string, Labels>();
  readonly #byLabel = new Map<string, Set<string>>();

  /** Sets a namespace's labels; undefined: it is not known. */
  set(name: string, labels: Labels | undefined): void {
    for (const text of textsOf(this.#labels.get(name))) {
      const names = this.#byLabel.get(text);
      if (names?.delete(name) && names.size === 0) this.#byLabel.delete(text);
    }
    if (labels) this.#labels.set(name, labels);
    else this.#labels.delete(name);
    for (const text of textsOf(labels)) {
      const names = this.#byLabel.get(text);
      if (names) names.add(name);
      else this.#byLabel.set(text, new Set([name]));
    }
  }

  /** Reports whether `selector` matches it; an unknown namespace is not matched even by an empty one. */
  isSelected(name: string, selector: LabelSelector): boolean {
    const labels = this.#labels.get(name);
    return labels !== undefined && selectorMatches(selector, labels);
  }

  /** Returns the names of all namespaces that `selector` matches. */
  select(selector: LabelSelector): string[] {
    const label = requiredLabel(selector);
    const names = label ? this.#byLabel.get(textOf(label.key, label.value)) : this.#labels.keys();
    return [...names ?? []].filter((name) => this.isSelected(name, selector));
  }
}

function textsOf(labels: Labels = {}): string[] {
  return Object.entries(labels).map(([key, value]) => textOf(key, value));
}

const textOf = (key: string, value: string) => `${key}=${value}`;
