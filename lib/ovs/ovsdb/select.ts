// Selects rows of the database over its socket. ovs-vsctl returns the same rows, but takes 50 ms of CPU, most
// of them to be loaded (3.1, November 2026): too much for what each reconciliation reads.

import { hookedCall } from "../../util/fault_hooks.ts";
import { type Columns, openOvsdb } from "./ovsdb_connection.ts";

/** Which rows of a table: those of these names, else those with this external id, else all. */
export interface RowSelect {
  readonly table: string;
  readonly columns: readonly string[];
  /** A row that does not exist is left out. */
  readonly names?: readonly string[];
  readonly externalId?: { readonly key: string; readonly value: string };
}

/**
 * Returns the rows of each of `selects`, all as of one moment. `address` is `unix:PATH`. Faults:
 * unavailable, timeout; failed, where a table or column does not exist.
 */
export function selectRows(
  address: string,
  selects: readonly RowSelect[],
  endMs: number,
): Promise<Columns[][]> {
  return hookedCall("ovsdb.ask", async () => {
    const connection = await openOvsdb(address.replace(/^unix:/, ""));
    try {
      const operations = selects.map(operationsOf);
      const limitMs = Math.max(1, Math.round(endMs - performance.now()));
      const results = await connection.transact(operations.flat(), limitMs);
      const rows = results.map((result) => result.rows as Columns[]);
      return operations.map((mine) => rows.splice(0, mine.length).flat());
    } finally {
      connection.close();
    }
  });
}

function operationsOf({ table, columns, names, externalId }: RowSelect): Columns[] {
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
