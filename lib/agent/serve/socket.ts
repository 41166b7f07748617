// The agent's unix socket: only root may use it, and only one agent may have it.

import { dirname } from "@std/path";
import { Fault, systemWords } from "../../util/errors.ts";
import { lockFile } from "./lock.ts";

/** A socket that is this agent's. */
export interface PrivateListener extends Disposable {
  /** Serves requests on it. */
  serve(answer: (request: Request) => Promise<Response>): Deno.HttpServer<Deno.UnixAddr>;
}

/**
 * Takes the socket at `path`: mode 0600 from its first moment, a dead agent's one is replaced.
 * Faults: conflict (another agent has it), unavailable.
 */
export async function listenPrivately(path: string): Promise<PrivateListener> {
  await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 }).catch((cause) => {
    throw new Fault("unavailable", `folder of socket ${path} cannot be made`, {
      why: systemWords(cause),
      fix: "run as root, or give another --socket",
      cause,
    });
  });
  const lock = await lockFile(`${path}.lock`, `socket ${path}`);
  return {
    serve: (answer) => serveOn(path, answer),
    [Symbol.dispose]: () => {
      lock[Symbol.dispose]();
    },
  };
}

function serveOn(
  path: string,
  answer: (request: Request) => Promise<Response>,
): Deno.HttpServer<Deno.UnixAddr> {
  // The lock is ours, so a socket file that is there belongs to nobody.
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const before = Deno.umask(0o177);
  try {
    return Deno.serve({ path, onListen: () => {} }, answer);
  } finally {
    Deno.umask(before);
  }
}
