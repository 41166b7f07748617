// The agent's unix socket: only root may use it, and only one agent may have it.

import { dirname } from "@std/path";
import { Fault, systemWords } from "../../util/errors.ts";
import { pause } from "../../util/async/pause.ts";
import { lockFile } from "./lock_file.ts";

/** A socket that is this agent's. */
export interface PrivateListener extends Disposable {
  /** Serves requests on it until it is shut down; `broken` hears why it had to begin anew. */
  serve(
    answer: (request: Request) => Promise<Response>,
    broken: (error: unknown) => void,
  ): { shutdown(): Promise<void> };
}

// A server ends for good when a connection cannot be taken: out of open files, mostly, which passes.
const AGAIN_MS = 200;

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
    serve: (answer, broken) => keepServing(() => serveOn(path, answer), broken),
    [Symbol.dispose]: () => {
      lock[Symbol.dispose]();
    },
  };
}

function keepServing(
  open: () => Deno.HttpServer<Deno.UnixAddr>,
  broken: (error: unknown) => void,
): { shutdown(): Promise<void> } {
  const stopping = new AbortController();
  let server: Deno.HttpServer<Deno.UnixAddr> | undefined = open();
  const keep = async () => {
    while (!stopping.signal.aborted) {
      try {
        await (server ??= open()).finished;
      } catch (error) {
        server = undefined;
        broken(error);
        await pause(AGAIN_MS, stopping.signal);
      }
    }
  };
  const kept = keep();
  return {
    shutdown: async () => {
      stopping.abort();
      await server?.shutdown();
      await kept;
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
