// One connection to ovsdb-server: JSON-RPC 1.0 over a unix socket, RFC 7047. Knows no table.

import { Fault, oneLine } from "../../util/errors.ts";
import { JsonStream } from "../transport/json_stream.ts";
import { openUnixStream, type UnixStream } from "../transport/unix_stream.ts";

/** The database that Open vSwitch keeps its configuration in. */
const DATABASE = "Open_vSwitch";
const WHO = "ovsdb-server";

/** Columns of one row, in OVSDB's own notation. */
export type Columns = Readonly<Record<string, unknown>>;

/** Changes by table and row: `new` absent is a deletion, `old` absent an insertion. */
export type TableUpdates = Readonly<
  Record<string, Readonly<Record<string, { readonly old?: Columns; readonly new?: Columns }>>>
>;

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (fault: Fault) => void;
}

/** Connects to a server that speaks JSON-RPC at a unix socket; Faults name it as `who`. Faults: unavailable. */
export async function openOvsdb(path: string, who = WHO): Promise<OvsdbConnection> {
  return new OvsdbConnection(await openUnixStream(path, who), who);
}

/** An open connection. Echo requests are answered at any time. */
export class OvsdbConnection {
  /** Resolves once, with the reason, when the connection is over. */
  readonly ended: Promise<Fault>;
  readonly #wire: UnixStream;
  readonly #who: string;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #why: Fault | undefined;
  #take: (updates: TableUpdates) => void = () => {};

  constructor(wire: UnixStream, who = WHO) {
    this.#wire = wire;
    this.#who = who;
    const stream = new JsonStream();
    void wire.read((chunk) => stream.push(chunk).forEach((message) => this.#handle(message)));
    this.ended = wire.ended.then((why) => {
      this.#why = why;
      this.#pending.forEach(({ reject }) => reject(why));
      this.#pending.clear();
      return why;
    });
  }

  /** Calls `method` and gives its result. Faults: unavailable when the connection drops, timeout. */
  call(method: string, params: readonly unknown[], limitMs: number): Promise<unknown> {
    if (this.#why) return Promise.reject(this.#why);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(
          new Fault("timeout", `${this.#who} gave no answer to ${method} in ${limitMs} ms`, {
            fix: "see whether it is running",
          }),
        );
      }, limitMs);
      const done = <T>(settle: (value: T) => void) => (value: T) => {
        clearTimeout(timer);
        settle(value);
      };
      this.#pending.set(id, { resolve: done(resolve), reject: done<Fault>(reject) });
      this.#send({ id, method, params });
    });
  }

  /**
   * Commits `operations`, all or none, and gives their results. Faults: conflict or failed when the
   * server refused; unavailable and timeout leave open whether it was done: look before a repetition.
   */
  async transact(operations: readonly Columns[], limitMs: number): Promise<Columns[]> {
    const results = await this.call("transact", [DATABASE, ...operations], limitMs);
    if (!Array.isArray(results)) throw refusal({ error: "reply without results" }, WHO);
    // A fault found only at the end, as a name taken twice, is one result more than operations.
    const bad = results.find((result) => result && typeof result === "object" && result.error);
    if (bad) throw refusal(bad, WHO);
    return results;
  }

  /** Returns the present rows to `take`, then each change, as long as the connection lives. */
  async monitor(
    tables: Readonly<Record<string, readonly string[]>>,
    take: (updates: TableUpdates) => void,
    limitMs: number,
  ): Promise<void> {
    const select = { initial: true, insert: true, delete: true, modify: true };
    const requests = Object.entries(tables).map(([table, columns]) =>
      [table, [{ columns, select }]] as const
    );
    this.#take = take;
    const now = await this.call(
      "monitor",
      [DATABASE, "k8contivnet", Object.fromEntries(requests)],
      limitMs,
    );
    if (now && typeof now === "object") take(now as TableUpdates);
  }

  /** Ends the connection; calls under way fail. Repeatable. */
  close(): void {
    this.#wire.end(new Fault("unavailable", `${this.#who} was left`, { why: "the agent stops" }));
  }

  #handle(message: unknown): void {
    const { id, method, params, result, error } = message as Record<string, unknown>;
    if (method === "echo") return this.#send({ id, result: params, error: null });
    if (method === "update" && Array.isArray(params)) return this.#take(params[1] ?? {});
    const pending = this.#pending.get(id as number);
    if (!pending) return;
    this.#pending.delete(id as number);
    if (error) pending.reject(refusal(error, this.#who));
    else pending.resolve(result);
  }

  #send(message: Columns): void {
    this.#wire.send(new TextEncoder().encode(JSON.stringify(message)));
  }
}

function refusal(error: unknown, who: string): Fault {
  const { error: word, details } = typeof error === "object"
    ? error as Record<string, unknown>
    : { error, details: undefined };
  return new Fault(word === "constraint violation" ? "conflict" : "failed", `${who} refused`, {
    why: `"${oneLine(`${word}${details ? `: ${details}` : ""}`, 140)}"`,
  });
}
