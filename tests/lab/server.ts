// One outside server of a test as a child process: started, waited for, ended by its pid.

import { waitFor } from "./wait.ts";

/** How a server is started and known to be up. */
export interface ServerOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Named network namespace to run in; the caller's own when absent. */
  readonly netns?: string | undefined;
  /** Words before the command that start it as their only child, as nsenter does in a process namespace. */
  readonly parent?: readonly string[];
  /** File that gets its standard error and output; also quoted where it does not come up. */
  readonly log: string;
  /** Reports that it serves. */
  readonly isUp: () => boolean | Promise<boolean>;
  readonly limitMs?: number;
}

/** A running server. */
export interface Server {
  readonly pid: number;
  /** Ends it: SIGTERM, after `graceMs` SIGKILL. Repeatable. */
  stop(graceMs?: number): Promise<void>;
  /** Ends it by SIGKILL, as a crash would. Repeatable. */
  kill(): Promise<void>;
}

/** Starts a server and returns it when it is up; throws with the end of its log otherwise. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { command, limitMs = 15_000 } = options;
  const child = spawn(options);
  let ended = false;
  const status = child.status.then(() => void (ended = true));
  const serverPid = () => options.parent ? onlyChild(child.pid) ?? child.pid : child.pid;
  const end = (signal: Deno.Signal) => {
    if (ended) return;
    try {
      Deno.kill(serverPid(), signal);
    } catch (error) {
      // It has ended by itself, and its end is about to be reported here.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  };
  const kill = async () => {
    end("SIGKILL");
    await status;
  };
  const stop = async (graceMs = 10_000) => {
    end("SIGTERM");
    const timer = setTimeout(() => end("SIGKILL"), graceMs);
    await status;
    clearTimeout(timer);
  };
  try {
    await waitFor(`${command} to serve`, () => ended || options.isUp(), { limitMs });
    if (ended) throw new Error(`${command} ended at its start`);
  } catch (cause) {
    await kill();
    throw new Error(`${command} did not come up:\n${await tail(options.log)}`, { cause });
  }
  return { pid: serverPid(), stop, kill };
}

/** Reports whether somebody accepts connections at the unix socket `path`. */
export async function isListening(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch {
    return false;
  }
}

// `exec` keeps the pid: the child that is known here is the server, not a shell in front of it.
function spawn(
  { command, args, env = {}, netns, log, parent = [] }: ServerOptions,
): Deno.ChildProcess {
  const place = netns === undefined ? parent : ["nsenter", `--net=/run/netns/${netns}`, "--"];
  const words = [...place, command, ...args];
  return new Deno.Command("sh", {
    args: ["-c", 'log=$1; shift; exec "$@" >>"$log" 2>&1', "server", log, ...words],
    env: { ...env },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
}

/** Returns the first child of a process, if it has one. */
export function onlyChild(pid: number): number | undefined {
  try {
    const pids = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim();
    return pids === "" ? undefined : Number(pids.split(" ")[0]);
  } catch {
    return undefined;
  }
}

async function tail(path: string): Promise<string> {
  const text = await Deno.readTextFile(path).catch(() => "(no log)");
  return text.split("\n").slice(-20).join("\n");
}
