// How many flows a bridge has, asked over its socket: a number takes some 1 ms of a processor, the flows
// themselves by ovs-ofctl some 17 (3.1, November 2026).

import type { CookieSet } from "./cookies.ts";
import { OpenFlowConnection } from "./openflow_connection.ts";
import { withDeadline } from "../../util/async/deadline.ts";
import { openUnixStream } from "../transport/unix_stream.ts";

/**
 * Returns how many flows there are under each of `cookies`, by the bridge's socket `path`; undefined
 * where nobody listens. Faults: timeout, unavailable.
 */
export async function countFlows(
  path: string,
  cookies: readonly CookieSet[],
  endMs: number,
): Promise<number[] | undefined> {
  const wire = await openUnixStream(path, "ovs-vswitchd").catch(() => undefined);
  if (!wire) return undefined;
  const connection = new OpenFlowConnection(wire, () => {});
  try {
    connection.greet();
    const all = Promise.all(cookies.map((one) => connection.countFlows(one)));
    return await withDeadline(endMs, "ovs-vswitchd did not count", all);
  } finally {
    connection.close();
  }
}
