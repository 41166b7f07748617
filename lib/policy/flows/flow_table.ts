// The flows of the policy tables, line by line. Many rules may want one and the same match: then one
// line serves all of them, since a switch keeps one flow for each match and priority. The book counts
// who wants what, and tells which lines changed since it was asked last.

/** Where a flow stands: its cookie, table, priority and match, as ovs-ofctl prints them. */
export type Place = string;

interface Line {
  /** Parts of conjunctive matches, `id,k/n`, with how often each is wanted. */
  readonly parts: Map<string, number>;
  /** Actions that need nothing more to match, by who wants them. */
  readonly whole: Map<string, { readonly text: string; count: number }>;
  /** As it was told last. */
  told: string | undefined;
}

/** What changed. */
export interface LineChanges {
  readonly gone: readonly string[];
  readonly fresh: readonly string[];
}

/** Lines of flows, counted. */
export class FlowTable {
  readonly #lines = new Map<Place, Line>();
  readonly #touched = new Set<Place>();

  /** Adds one who wants part `k/n` of the conjunctive match `id` at `place`. */
  addPart(place: Place, part: string): void {
    const { parts } = this.#touch(place);
    parts.set(part, (parts.get(part) ?? 0) + 1);
  }

  /** Takes back one `addPart`. */
  removePart(place: Place, part: string): void {
    const { parts } = this.#touch(place);
    const left = (parts.get(part) ?? 0) - 1;
    if (left > 0) parts.set(part, left);
    else parts.delete(part);
  }

  /**
   * Adds one who wants `text` done at `place`. Of several, the first by name is heard. They all want
   * packets to pass, or all want them to be dropped: that is in the priority.
   */
  addWhole(place: Place, by: string, text: string): void {
    const { whole } = this.#touch(place);
    const known = whole.get(by);
    if (known) known.count++;
    else whole.set(by, { text, count: 1 });
  }

  /** Takes back one `addWhole`. */
  removeWhole(place: Place, by: string): void {
    const { whole } = this.#touch(place);
    const known = whole.get(by);
    if (known && --known.count <= 0) whole.delete(by);
  }

  /** Adds, or takes back, lines that nobody in particular wants. */
  changeAll(lines: readonly (readonly [Place, actions: string])[], verb: "add" | "remove"): void {
    for (const [place, actions] of lines) {
      if (verb === "add") this.addWhole(place, "", actions);
      else this.removeWhole(place, "");
    }
  }

  /** Returns the lines that changed since the last call, each as it was and as it is. */
  changes(): LineChanges {
    const gone: string[] = [];
    const fresh: string[] = [];
    for (const place of this.#touched) {
      const line = this.#lines.get(place);
      if (!line) continue;
      const now = this.#textOf(place, line);
      if (now !== line.told) {
        if (line.told !== undefined) gone.push(line.told);
        if (now !== undefined) fresh.push(now);
      }
      line.told = now;
      if (now === undefined) this.#lines.delete(place);
    }
    this.#touched.clear();
    return { gone, fresh };
  }

  /** Returns all lines as they were told last. */
  lines(): string[] {
    return [...this.#lines.values()].flatMap(({ told }) => told ?? []);
  }

  #touch(place: Place): Line {
    this.#touched.add(place);
    let line = this.#lines.get(place);
    if (!line) {
      line = { parts: new Map(), whole: new Map(), told: undefined };
      this.#lines.set(place, line);
    }
    return line;
  }

  #textOf(place: Place, { parts, whole }: Line): string | undefined {
    const actions = whole.size > 0
      ? firstOf(whole)
      : [...parts.keys()].sort().map((part) => `conjunction(${part})`).join(",");
    return actions === "" ? undefined : `${place} actions=${actions}`;
  }
}

function firstOf(whole: Line["whole"]): string {
  let first: string | undefined;
  for (const by of whole.keys()) if (first === undefined || by < first) first = by;
  return whole.get(first ?? "")?.text ?? "";
}
