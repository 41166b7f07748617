// The desired flows of the policy tables, each with the rules that need it. Many rules may need one and the
// same match: then one flow serves all of them, since a switch keeps one flow for each match and
// priority. The table counts who needs what, and returns which flows changed since the last call.

/** What identifies a flow: its cookie, table, priority and match, as ovs-ofctl prints them. */
export type FlowKey = string;

interface Entry {
  /** Parts of conjunctive matches, `id,k/n`, with how many need each. */
  readonly parts: Map<string, number>;
  /** Actions of flows that match by themselves, by the rule that needs them. */
  readonly whole: Map<string, { readonly text: string; count: number }>;
  /** The flow as changes() returned it last. */
  reported: string | undefined;
}

/** Flows as ovs-ofctl text: a changed one is in both lists, as it was and as it is. */
export interface FlowChanges {
  readonly removed: readonly string[];
  readonly added: readonly string[];
}

/** Flows with reference counts. */
export class FlowTable {
  readonly #entries = new Map<FlowKey, Entry>();
  readonly #touched = new Set<FlowKey>();

  /** Counts one more user of `part` (`id,k/n`) of a conjunctive match. */
  addPart(key: FlowKey, part: string): void {
    const { parts } = this.#touch(key);
    parts.set(part, (parts.get(part) ?? 0) + 1);
  }

  /** Reverts one `addPart`. */
  removePart(key: FlowKey, part: string): void {
    const { parts } = this.#touch(key);
    const left = (parts.get(part) ?? 0) - 1;
    if (left > 0) parts.set(part, left);
    else parts.delete(part);
  }

  /**
   * Counts one more user, the rule `by`, of a flow with the actions `text`. Of several, the first by name
   * decides; all of them allow, or all of them deny: that is part of the priority.
   */
  addWhole(key: FlowKey, by: string, text: string): void {
    const { whole } = this.#touch(key);
    const known = whole.get(by);
    if (known) known.count++;
    else whole.set(by, { text, count: 1 });
  }

  /** Reverts one `addWhole`. */
  removeWhole(key: FlowKey, by: string): void {
    const { whole } = this.#touch(key);
    const known = whole.get(by);
    if (known && --known.count <= 0) whole.delete(by);
  }

  /** Adds or removes flows that belong to no particular rule. */
  changeAll(flows: readonly (readonly [FlowKey, actions: string])[], verb: "add" | "remove"): void {
    for (const [key, actions] of flows) {
      if (verb === "add") this.addWhole(key, actions, actions);
      else this.removeWhole(key, actions);
    }
  }

  /** Returns the flows that changed since the last call. */
  changes(): FlowChanges {
    const removed: string[] = [];
    const added: string[] = [];
    for (const key of this.#touched) {
      const entry = this.#entries.get(key);
      if (!entry) continue;
      const now = this.#textOf(key, entry);
      if (now !== entry.reported) {
        if (entry.reported !== undefined) removed.push(entry.reported);
        if (now !== undefined) added.push(now);
      }
      entry.reported = now;
      if (now === undefined) this.#entries.delete(key);
    }
    this.#touched.clear();
    return { removed, added };
  }

  /** Returns all flows as of the last call of changes(). */
  flows(): string[] {
    return [...this.#entries.values()].flatMap(({ reported }) => reported ?? []);
  }

  #touch(key: FlowKey): Entry {
    this.#touched.add(key);
    let entry = this.#entries.get(key);
    if (!entry) {
      entry = { parts: new Map(), whole: new Map(), reported: undefined };
      this.#entries.set(key, entry);
    }
    return entry;
  }

  #textOf(key: FlowKey, { parts, whole }: Entry): string | undefined {
    const actions = whole.size > 0
      ? firstOf(whole)
      : [...parts.keys()].sort().map((part) => `conjunction(${part})`).join(",");
    return actions === "" ? undefined : `${key} actions=${actions}`;
  }
}

function firstOf(whole: Entry["whole"]): string {
  let first: string | undefined;
  for (const by of whole.keys()) if (first === undefined || by < first) first = by;
  return whole.get(first ?? "")?.text ?? "";
}
