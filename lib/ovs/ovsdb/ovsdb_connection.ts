// One connection to ovsdb-server: JSON-RPC 1.0 over a unix socket, RFC 7047. Independent of the schema.

import { Fault, oneLine } from "../../util/errors.ts";
import { JsonStream } from "../transport/json_stream.ts";
import { PendingReplies } from "../transport/pending_replies.ts";
import { openUnixStream, type UnixStream } from "../transport/unix_stream.ts";

/** The database that Open vSwitch keeps its configuration in. */
const DATABASE = "Open_vSwitch";
const SERVER = "ovsdb-server";

/** Columns of one row, in OVSDB's own notation. */
export type Columns = Readonly<Record<string, unknown>>;

/** Changes by table and row: `new` absent is a deletion, `old` absent an insertion. */
export type TableUpdates = Readonly<
  Record<string, Readonly<Record<string, { readonly old?: Columns; readonly new?: Columns }>>>
>;

/** Connects to a JSON-RPC server at a unix socket; faults call it `server`. Faults: unavailable. */
export async function openOvsdb(path: string, server = SERVER): Promise<OvsdbConnection> {
  return new OvsdbConnection(await openUnixStream(path, server), server);
}

/** An open connection. Echo requests are answered at any time. */
export class OvsdbConnection {
  /** Resolves once, with the reason, when the connection is over. */
  readonly ended: Promise<Fault>;
  readonly #socket: UnixStream;
  readonly #server: string;
  readonly #replies: PendingReplies<unknown>;
  #nextId = 1;
  #take: (updates: TableUpdates) => void = () => {};

  constructor(socket: UnixStream, server = SERVER) {
    this.#socket = socket;
    this.#server = server;
    const stream = new JsonStream();
    void socket.read((chunk) => stream.push(chunk).forEach((message) => this.#handle(message)));
    this.#replies = new PendingReplies(socket.ended);
    this.ended = this.#replies.ended;
  }

  /** Calls `method` and returns its result. Faults: unavailable when the connection drops, timeout. */
  call(method: string, params: readonly unknown[], limitMs: number): Promise<unknown> {
    const id = this.#nextId++;
    const reply = this.#replies.wait(id);
    const timer = setTimeout(() => {
      this.#replies.reject(
        id,
        new Fault("timeout", `${this.#server} did not answer ${method} within ${limitMs} ms`, {
          fix: "check that it is running",
        }),
      );
    }, limitMs);
    this.#send({ id, method, params });
    return reply.finally(() => clearTimeout(timer));
  }

  /**
   * Commits `operations`, all or none, and returns their results. Faults: conflict or failed when the
   * server rejected them; unavailable and timeout leave open whether they were done: check before a retry.
   */
  async transact(operations: readonly Columns[], limitMs: number): Promise<Columns[]> {
    const results = await this.call("transact", [DATABASE, ...operations], limitMs);
    if (!Array.isArray(results)) throw rejection({ error: "reply without results" }, SERVER);
    // An error found only at the end, such as a duplicate name, is one result more than operations.
    const bad = results.find((result) => result && typeof result === "object" && result.error);
    if (bad) throw rejection(bad, SERVER);
    return results;
  }

  /** Passes the present rows to `take`, then each change, as long as the connection lasts. */
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

  /** Ends the connection; pending calls fail. Repeatable. */
  close(): void {
    this.#socket.end(
      new Fault("unavailable", `connection to ${this.#server} closed`, { why: "the agent stops" }),
    );
  }

  #handle(message: unknown): void {
    const { id, method, params, result, error } = message as Record<string, unknown>;
    if (method === "echo") return this.#send({ id, result: params, error: null });
    if (method === "update" && Array.isArray(params)) return this.#take(params[1] ?? {});
    if (error) this.#replies.reject(id as number, rejection(error, this.#server));
    else this.#replies.resolve(id as number, result);
  }

  #send(message: Columns): void {
    this.#socket.send(new TextEncoder().encode(JSON.stringify(message)));
  }
}

function rejection(error: unknown, server: string): Fault {
  const { error: text, details } = typeof error === "object"
    ? error as Record<string, unknown>
    : { error, details: undefined };
  return new Fault(
    text === "constraint violation" ? "conflict" : "failed",
    `${server} rejected a request`,
    {
      why: `"${oneLine(`${text}${details ? `: ${details}` : ""}`, 140)}"`,
    },
  );
}
