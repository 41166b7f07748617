// The limit of Linux on the path of a unix socket. Beyond it connect(2) and bind(2) fail with words that name no limit.

import { Fault } from "./errors.ts";

/** Most bytes of a unix socket's path: sockaddr_un has 108, with the NUL at the end; unix(7). */
const SOCKET_PATH_BYTES = 107;

/** Returns `path` if a unix socket can have it; `what` names it. Faults: usage. */
export function parseSocketPath(what: string, path: string): string {
  const { length } = new TextEncoder().encode(path);
  if (length <= SOCKET_PATH_BYTES) return path;
  throw new Fault("usage", `${what} ${path} is too long`, {
    why: `it has ${length} bytes, and the path of a unix socket at most ${SOCKET_PATH_BYTES}`,
    fix: "use a shorter one, such as a link to its folder",
  });
}
