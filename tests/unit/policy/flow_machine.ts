// A switch as far as the rules' tables need one: it reads the lines themselves, and finds the flow that
// matches, conjunctive matches included (ovs-fields(7), "Conjunctive Match Fields").

/** Registers of a packet, by name. */
export type Registers = Readonly<Record<string, number>>;

interface Flow {
  readonly priority: number;
  readonly fields: readonly {
    readonly name: string;
    readonly value: number;
    readonly mask: number;
  }[];
  readonly conjId: number | undefined;
  readonly parts: readonly { readonly id: number; readonly k: number; readonly n: number }[];
  readonly next: number;
}

/** Tables of flows that lead to others by resubmit. */
export class FlowMachine {
  readonly #tables = new Map<number, Flow[]>();

  constructor(lines: readonly string[]) {
    for (const line of lines) {
      const [, table = "", priority = "", match = "", actions = ""] =
        /table=(\d+), priority=(\d+)(?:,(\S+))? actions=(.*)$/.exec(line) ?? [];
      const flows = this.#tables.get(Number(table)) ?? [];
      flows.push(flowOf(Number(priority), match, actions));
      this.#tables.set(Number(table), flows);
    }
    for (const flows of this.#tables.values()) flows.sort((a, b) => b.priority - a.priority);
  }

  /** Returns the table where the packet ends: that of the allowed, or of the denied. */
  run(registers: Registers, first = 20): number {
    for (let table = first;; table = this.#find(table, registers).next) {
      if (table >= 30) return table;
    }
  }

  #find(table: number, registers: Registers): Flow {
    const flows = this.#tables.get(table) ?? [];
    const matching = flows.filter((flow) =>
      flow.fields.every(({ name, value, mask }) => ((registers[name]! & mask) >>> 0) === value)
    );
    for (const priority of new Set(matching.map((flow) => flow.priority))) {
      const here = matching.filter((flow) => flow.priority === priority);
      const plain = here.find((flow) => flow.parts.length === 0 && flow.conjId === undefined);
      if (plain) return plain;
      const parts = here.flatMap((flow) => flow.parts);
      const id = parts.find(({ id, n }) =>
        new Set(parts.filter((part) => part.id === id).map(({ k }) => k)).size === n
      )?.id;
      if (id === undefined) continue;
      const whole = flows.find((flow) => flow.conjId === id && flow.priority === priority);
      if (!whole) throw new Error(`table ${table} has no conj_id=${id} of priority ${priority}`);
      return whole;
    }
    throw new Error(`table ${table} has no flow for ${JSON.stringify(registers)}`);
  }
}

function flowOf(priority: number, match: string, actions: string): Flow {
  const words = match.split(",").filter(Boolean);
  const conjId = words.find((word) => word.startsWith("conj_id="));
  return {
    priority,
    fields: words.filter((word) => /^reg\d=/.test(word)).map((word) => {
      const [, name = "", value, mask = "0xffffffff"] = /^(reg\d)=([^/]+)(?:\/(.*))?$/.exec(word) ??
        [];
      return { name, value: Number(value), mask: Number(mask) };
    }),
    conjId: conjId === undefined ? undefined : Number(conjId.slice("conj_id=".length)),
    parts: [...actions.matchAll(/conjunction\((\d+),(\d+)\/(\d+)\)/g)]
      .map(([, id, k, n]) => ({ id: Number(id), k: Number(k), n: Number(n) })),
    next: Number(/resubmit\(,(\d+)\)/.exec(actions)?.[1] ?? 99),
  };
}
