// ovs-vswitchd's control socket, what ovs-appctl talks to: JSON-RPC 1.0 as ovsdb-server's, with words
// as parameters and a text as result. One connection costs 1 ms, a command for each word 5 ms.

import { Fault } from "../../util/errors.ts";
import { openOvsdb, type OvsdbConnection } from "../ovsdb/ovsdb_connection.ts";

const WHO = "ovs-vswitchd";

/** An open control connection; ends with its block. */
export interface Control extends Disposable {
  /** Returns what `ovs-appctl verb words…` prints. Faults: failed, with its refusal; timeout, unavailable. */
  ask(verb: string, words: readonly string[], endMs: number): Promise<string>;
}

/** Connects to the ovs-vswitchd of `rundir`. Faults: unavailable. */
export async function openControl(rundir: string): Promise<Control> {
  const connection = await connect(rundir);
  return {
    ask: async (verb, words, endMs) => {
      const leftMs = Math.max(1, Math.round(endMs - performance.now()));
      return String(await connection.call(verb, words, leftMs));
    },
    [Symbol.dispose]: () => connection.close(),
  };
}

// Distributions start it with its pid in the socket's name, packages in containers without.
async function connect(rundir: string): Promise<OvsdbConnection> {
  const pid = await Deno.readTextFile(`${rundir}/${WHO}.pid`).catch(() => undefined);
  const names = [...pid === undefined ? [] : [`${WHO}.${pid.trim()}.ctl`], `${WHO}.ctl`];
  let last: unknown;
  for (const name of names) {
    try {
      return await openOvsdb(`${rundir}/${name}`, WHO);
    } catch (error) {
      last = error;
    }
  }
  throw last ?? new Fault("unavailable", `${WHO} has no control socket in ${rundir}`);
}
