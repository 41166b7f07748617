// Network namespaces by path: named ones below /run/netns, those that a caller gives, and those of
// processes.

import { Fault, oneLine } from "../util/errors.ts";
import { isName } from "../util/names.ts";
import { identify, startTimeOf } from "./proc.ts";
import type { Sandbox, SandboxPlace } from "./runtime.ts";

/** Where `ip netns` keeps named namespaces. */
export const NAMED = "/run/netns";

const OF_PROCESS = /^\/proc\/([1-9]\d{0,9})(?:\/task\/\d+)?\/ns\/net$/;

// What Deno does not open, and no namespace of a pod is.
const CLOSED = /^\/(proc|sys)\//;

/** A namespace that is there. */
export interface Namespace {
  readonly netns: string;
  readonly netnsInode: number;
  readonly isHostNetwork: boolean;
  /** Only where the path leads over a process id. */
  readonly pid?: number;
  readonly startTime?: number;
}

/** Finds network namespaces; knows which one is the host's. */
export class Namespaces {
  #host: Promise<Host> | undefined;

  /** Returns the sandbox whose namespace is named `id`. */
  async findNamed(id: string): Promise<Sandbox | undefined> {
    if (!isName(id, 255)) return undefined;
    const namespace = await this.find(`${NAMED}/${id}`);
    return namespace && { ...namespace, id, name: id, isRunning: true };
  }

  /** Returns the sandbox `id` whose namespace is at `path`. Faults: usage, when `path` cannot be one. */
  async findGiven(id: string, path: string): Promise<Sandbox | undefined> {
    checkNetnsPath(path);
    const namespace = await this.find(path);
    return namespace && { ...namespace, id, isRunning: true };
  }

  /** Returns the network namespace at `path`; undefined where there is none, or something else. */
  async find(path: string): Promise<Namespace | undefined> {
    const host = await this.#hostOnce();
    const pid = pidIn(path);
    if (pid === undefined && CLOSED.test(path)) return undefined;
    const found = pid === undefined ? await statOf(path) : await identify(path);
    // All namespaces live in one file system of the kernel's own, and nothing else does. What
    // `ip netns` or a runtime leaves behind after a reboot is an empty file on another one.
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

  /** Reports whether the namespace that was recorded is still at its place. */
  async isAlive({ netns, netnsInode, startTime }: SandboxPlace): Promise<boolean> {
    const found = await this.find(netns);
    return found?.netnsInode === netnsInode &&
      (startTime === undefined || found.startTime === startTime);
  }

  async #hostOnce(): Promise<Host> {
    this.#host ??= lookAtHost();
    try {
      return await this.#host;
    } catch (error) {
      this.#host = undefined; // the next one looks again
      throw error;
    }
  }
}

interface Host {
  /** Device of all namespaces. */
  readonly dev: number;
  /** Namespaces that are the host's. */
  readonly inodes: ReadonlySet<number>;
}

async function lookAtHost(): Promise<Host> {
  // The agent stands in the host's namespace; process 1 too, where it may be looked at.
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
  throw new Fault("usage", `namespace "${oneLine(path, 60)}" cannot be used`, {
    fix: "give an absolute path as /run/netns/NAME or /proc/PID/ns/net",
  });
}

async function statOf(path: string): Promise<{ dev: number; inode: number } | undefined> {
  try {
    const { dev, ino } = await Deno.stat(path);
    return { dev, inode: ino ?? 0 };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw error;
  }
}
