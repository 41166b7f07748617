// Questions to the database over its socket. ovs-vsctl gives the same rows, and takes 50 ms of a
// processor for it, most of them to be loaded (3.1, November 2026): too much for what each look asks.

import { hookedCall } from "../../util/fault_hooks.ts";
import { type Columns, openOvsdb } from "./ovsdb_connection.ts";

/** Which rows: those of these names, else those with this external id, else all. */
export interface Ask {
  readonly table: string;
  readonly columns: readonly string[];
  /** A row that is not there is left out. */
  readonly names?: readonly string[];
  readonly externalId?: { readonly key: string; readonly value: string };
}

/**
 * Returns the rows that each of `asks` means, all as of one moment. `address` is `unix:PATH`. Faults:
 * unavailable, timeout; failed, where a table or column is not there.
 */
export function selectRows(
  address: string,
  asks: readonly Ask[],
  endMs: number,
): Promise<Columns[][]> {
  return hookedCall("ovsdb.ask", async () => {
    const connection = await openOvsdb(address.replace(/^unix:/, ""));
    try {
      const selects = asks.map(selectsOf);
      const limitMs = Math.max(1, Math.round(endMs - performance.now()));
      const results = await connection.transact(selects.flat(), limitMs);
      const rows = results.map((result) => result.rows as Columns[]);
      return selects.map((mine) => rows.splice(0, mine.length).flat());
    } finally {
      connection.close();
    }
  });
}

function selectsOf({ table, columns, names, externalId }: Ask): Columns[] {
  const select = (where: readonly unknown[]) => ({
    op: "select",
    table,
    where,
    columns: ["_uuid", ...columns],
  });
  if (names) return names.map((name) => select([["name", "==", name]]));
  if (!externalId) return [select([])];
  const { key, value } = externalId;
  return [select([["external_ids", "includes", ["map", [[key, value]]]]])];
}
