// The agent's unix socket: only root may use it, and only one agent at a time.

import { dirname } from "@std/path";
import { Fault, systemWords } from "../../util/errors.ts";
import { pause } from "../../util/async/pause.ts";
import { lockFile } from "./lock_file.ts";

/** The socket of this agent. */
export interface PrivateListener extends Disposable {
  /** Serves requests until it is shut down; calls `broken` with the reason each time it had to reopen. */
  serve(
    answer: (request: Request) => Promise<Response>,
    broken: (error: unknown) => void,
  ): { shutdown(): Promise<void> };
}

// A server ends when it cannot accept a connection: mostly because of too many open files, which passes.
const REOPEN_MS = 200;

/**
 * Opens the socket at `path`, with mode 0600 from the start; replaces one left by a dead agent.
 * Faults: conflict (another agent has it), unavailable.
 */
export async function listenPrivately(path: string): Promise<PrivateListener> {
  await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 }).catch((cause) => {
    throw new Fault("unavailable", `folder of socket ${path} cannot be created`, {
      why: systemWords(cause),
      fix: "run as root, or choose another --socket",
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
        await pause(REOPEN_MS, stopping.signal);
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
  // We have the lock, so an existing socket file is not in use.
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
