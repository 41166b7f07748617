// ovs-vswitchd's control socket, which ovs-appctl uses: JSON-RPC 1.0 as ovsdb-server's, with strings as
// parameters and a text as result. A connection costs 1 ms, an ovs-appctl command 5 ms.

import { Fault } from "../../util/errors.ts";
import { openOvsdb, type OvsdbConnection } from "../ovsdb/ovsdb_connection.ts";

const SERVER = "ovs-vswitchd";

/** An open control connection; `using` closes it. */
export interface Control extends Disposable {
  /** Returns what `ovs-appctl verb args…` prints. Faults: failed, with its error message; timeout, unavailable. */
  ask(verb: string, args: readonly string[], endMs: number): Promise<string>;
}

/** Connects to the ovs-vswitchd of `rundir`. Faults: unavailable. */
export async function openControl(rundir: string): Promise<Control> {
  const connection = await connect(rundir);
  return {
    ask: async (verb, args, endMs) => {
      const leftMs = Math.max(1, Math.round(endMs - performance.now()));
      return String(await connection.call(verb, args, leftMs));
    },
    [Symbol.dispose]: () => connection.close(),
  };
}

// Distributions start it with its pid in the socket's name, packages in containers without it.
async function connect(rundir: string): Promise<OvsdbConnection> {
  const pid = await Deno.readTextFile(`${rundir}/${SERVER}.pid`).catch(() => undefined);
  const names = [...pid === undefined ? [] : [`${SERVER}.${pid.trim()}.ctl`], `${SERVER}.ctl`];
  let last: unknown;
  for (const name of names) {
    try {
      return await openOvsdb(`${rundir}/${name}`, SERVER);
    } catch (error) {
      last = error;
    }
  }
  throw last ?? new Fault("unavailable", `${SERVER} has no control socket in ${rundir}`);
}
