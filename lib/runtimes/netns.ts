// Network namespaces by path: named ones below /run/netns, paths from the caller, and those of processes.

import { Fault, oneLine } from "../util/errors.ts";
import { isName } from "../util/names.ts";
import { identify, startTimeOf } from "./proc.ts";
import type { Sandbox, SandboxPlace } from "./runtime.ts";

/** Where `ip netns` keeps named namespaces. */
export const NAMED = "/run/netns";

const OF_PROCESS = /^\/proc\/([1-9]\d{0,9})(?:\/task\/\d+)?\/ns\/net$/;

// Deno does not open these; a pod's namespace is never there but under /proc/PID.
const CLOSED = /^\/(proc|sys)\//;

/** An existing namespace. */
export interface Namespace {
  readonly netns: string;
  readonly netnsInode: number;
  readonly isHostNetwork: boolean;
  /** Only if the path contains a process id. */
  readonly pid?: number;
  /** Of process `pid`, in clock ticks after boot. */
  readonly startTime?: number;
}

/** Finds network namespaces; recognises the host's own. */
export class Namespaces {
  #host: Promise<Host> | undefined;

  /** Returns the sandbox whose namespace is named `id`. */
  async findNamed(id: string): Promise<Sandbox | undefined> {
    if (!isName(id, 255)) return undefined;
    const namespace = await this.find(`${NAMED}/${id}`);
    return namespace && { ...namespace, id, name: id, isRunning: true };
  }

  /** Returns the sandbox `id` whose namespace is at `path`. Faults: usage, if `path` is not valid. */
  async findGiven(id: string, path: string): Promise<Sandbox | undefined> {
    checkNetnsPath(path);
    const namespace = await this.find(path);
    return namespace && { ...namespace, id, isRunning: true };
  }

  /** Returns the network namespace at `path`; undefined if nothing or something else is there. */
  async find(path: string): Promise<Namespace | undefined> {
    const host = await this.#hostOnce();
    const pid = pidIn(path);
    if (pid === undefined && CLOSED.test(path)) return undefined;
    const found = pid === undefined ? await statOf(path) : await identify(path);
    // All namespaces, and nothing else, are files of one file system inside the kernel. What `ip netns` or a runtime
    // leaves behind after a reboot is an empty file on another one.
    if (found === undefined || found.dev !== host.dev) return undefined;
    const namespace = {
      netns: path,
      netnsInode: found.inode,
      isHostNetwork: host.inodes.has(found.inode),
    };
    if (pid === undefined) return namespace;
    const startTime = await startTimeOf(pid);
    return startTime === undefined ? undefined : { ...namespace, pid, startTime };
  }

  /** Reports whether the recorded namespace is still at its path. */
  async isAlive({ netns, netnsInode, startTime }: SandboxPlace): Promise<boolean> {
    const found = await this.find(netns);
    return found?.netnsInode === netnsInode &&
      (startTime === undefined || found.startTime === startTime);
  }

  async #hostOnce(): Promise<Host> {
    this.#host ??= inspectHost();
    try {
      return await this.#host;
    } catch (error) {
      this.#host = undefined; // the next call tries again
      throw error;
    }
  }
}

interface Host {
  /** Device number of all namespaces. */
  readonly dev: number;
  /** Inode numbers of the host's namespaces. */
  readonly inodes: ReadonlySet<number>;
}

async function inspectHost(): Promise<Host> {
  // The agent runs in the host's namespace; process 1 too, if its namespace may be read.
  const own = await identify("/proc/self/ns/net");
  if (!own) throw new Fault("unavailable", "/proc is not mounted", { fix: "mount it" });
  const first = await identify("/proc/1/ns/net").catch(() => undefined);
  return { dev: own.dev, inodes: new Set([own.inode, first?.inode ?? own.inode]) };
}

function pidIn(path: string): number | undefined {
  const pid = OF_PROCESS.exec(path)?.[1];
  return pid === undefined ? undefined : Number(pid);
}

/** Faults: usage, when `path` cannot be the path of a network namespace. */
export function checkNetnsPath(path: string): void {
  const isPath = /^(\/[\w.:@+-]+)+$/.test(path) && path.length < 4096 &&
    !path.split("/").some((part) => part === "." || part === "..");
  if (isPath && (!CLOSED.test(path) || OF_PROCESS.test(path))) return;
  throw new Fault("usage", `namespace "${oneLine(path, 60)}" is not valid`, {
    fix: "use an absolute path such as /run/netns/NAME or /proc/PID/ns/net",
  });
}

// Here nothing has to be waited for, and another thread takes longer to ask than the kernel to answer.
const IN_MEMORY = /^\/(?:var\/)?run\//;

async function statOf(path: string): Promise<Identity | undefined> {
  try {
    return identityOf(IN_MEMORY.test(path) ? statAtOnce(path) : await Deno.stat(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw error;
  }
}

/** By which the kernel knows a namespace. */
interface Identity {
  readonly dev: number;
  readonly inode: number;
}

function statAtOnce(path: string): Deno.FileInfo {
  return Deno.statSync(path);
}

function identityOf({ dev, ino }: Deno.FileInfo): Identity {
  return { dev, inode: ino ?? 0 };
}
