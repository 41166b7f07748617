// How many flows a bridge has, counted over its socket: a number takes some 1 ms of CPU, the flows themselves
// by ovs-ofctl some 17 (3.1, November 2026).

import type { CookieSet } from "./cookies.ts";
import { OpenFlowConnection } from "./openflow_connection.ts";
import { withDeadline } from "../../util/async/deadline.ts";
import { openUnixStream } from "../transport/unix_stream.ts";

/**
 * Returns how many flows the bridge with the socket `path` has under each of `cookies`; undefined where
 * nothing listens there. Faults: timeout, unavailable.
 */
export async function countFlows(
  path: string,
  cookies: readonly CookieSet[],
  endMs: number,
): Promise<number[] | undefined> {
  const socket = await openUnixStream(path, "ovs-vswitchd").catch(() => undefined);
  if (!socket) return undefined;
  const connection = new OpenFlowConnection(socket, () => {});
  try {
    connection.greet();
    const all = Promise.all(cookies.map((one) => connection.countFlows(one)));
    return await withDeadline(endMs, "ovs-vswitchd did not count its flows", all);
  } finally {
    connection.close();
  }
}
