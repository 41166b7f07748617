// What the doctor's checks ask of this machine; a test passes one of its own. Every call ends within its limit.

import { statfs } from "node:fs/promises";
import { TUNNEL_BRIDGE } from "../../ovs/bridge/port_names.ts";
import { HostNet } from "../../ovs/host_net.ts";
import { type RowSelect, selectRows } from "../../ovs/ovsdb/select.ts";
import { openControl } from "../../ovs/tools/appctl.ts";
import { OvsTools } from "../../ovs/tools/ovs_tools.ts";
import { checkVtep, type VtepFault } from "../../ovs/tunnel/vtep.ts";
import {
  findTunnelFilters,
  type TunnelArrival,
  type TunnelFilter,
} from "../../net/host/tunnel_filters.ts";
import type { AccessReport } from "../../kube/examine_access.ts";
import type { EtcdReport } from "../../store/etcd/examine_etcd.ts";
import { type OpenOptions, openStore } from "../../store/open_store.ts";
import type { Store } from "../../store/store.ts";
import { withDeadline } from "../../util/async/deadline.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import { createUnixClient } from "../../util/http_clients.ts";
import { run } from "../../util/run.ts";
import type { AgentSettings, KubeSettings } from "../api/agent_health.ts";
import { type HostProbes, hostProbes } from "./host_probes.ts";

/** What is known of a file. */
export interface FileFacts {
  readonly kind: "file" | "folder" | "socket" | "other";
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  /** Device and inode: the same for all links to a file. */
  readonly inode?: string;
}

/** A row of Open vSwitch's database, as its protocol has it. */
export type Row = Readonly<Record<string, unknown>>;

/** This machine. */
export interface Machine extends HostProbes {
  readonly kernel: string;
  /** Undefined if it is not known. */
  readonly uid: number | undefined;
  /** Milliseconds of the epoch. */
  readonly nowMs: () => number;
  /** Runs a command; returns its stdout. Faults: as run(). */
  readonly run: (command: string, ...args: readonly string[]) => Promise<string>;
  /** Returns the facts of what a path leads to; undefined if there is nothing. Faults: failed. */
  readonly stat: (path: string) => Promise<FileFacts | undefined>;
  readonly readText: (path: string) => Promise<string>;
  /** Returns the names in a folder, sorted; none if there is no folder. Faults: failed. */
  readonly list: (path: string) => Promise<string[]>;
  /** Returns the free bytes and inodes of the file system of a path. Faults: failed. */
  readonly free: (path: string) => Promise<{ readonly bytes: number; readonly inodes: number }>;
  /** Returns rows of Open vSwitch's database. Faults: unavailable, timeout, failed. */
  readonly rows: (ovsdb: string, selects: readonly RowSelect[]) => Promise<readonly Row[][]>;
  /** Asks ovs-vswitchd's control socket, as `ovs-appctl VERB` does. Faults: unavailable, timeout, failed. */
  readonly control: (ovsRundir: string, verb: string) => Promise<string>;
  /** Connects to a unix socket, asks for `path` and returns the answer's text. Faults: unavailable. */
  readonly ask: (socket: string, path: string) => Promise<string>;
  readonly openStore: (url: string, options: OpenOptions) => Promise<Store>;
  /** Asks the members of an etcd. Faults: usage. */
  readonly examineEtcd: (url: string, options: OpenOptions) => Promise<EtcdReport>;
  /** Returns what of the packet filter drops tunnels' packets. Faults: as run(). */
  readonly tunnelFilters: (arrival: TunnelArrival) => Promise<readonly TunnelFilter[]>;
  /** Returns what keeps tunnels from using an address of this host. Faults: as run() and rows(). */
  readonly vtepFault: (
    settings: Pick<AgentSettings, "ovsdb" | "ovsRundir" | "bridge">,
    address: string,
  ) => Promise<VtepFault | undefined>;
  /** Asks an API server. Faults: those of the kubeconfig. */
  readonly examineAccess: (settings: KubeSettings) => Promise<AccessReport>;
}

/** Milliseconds; the whole doctor has 3 s. */
export const CALL_MS = 1_500;
/** Returns this machine. */
export function thisMachine(): Machine {
  return {
    kernel: Deno.osRelease(),
    uid: Deno.uid() ?? undefined,
    nowMs: () => Date.now(),
    run: (command, ...args) => run(command, args, { limitMs: CALL_MS }),
    stat: statOf,
    readText: (path) => read(path, () => Deno.readTextFile(path)),
    list: namesIn,
    free: (path) =>
      read(path, async () => {
        const { bavail, bsize, ffree, files } = await statfs(path);
        return { bytes: bavail * bsize, inodes: files === 0 ? Infinity : ffree };
      }),
    rows: (ovsdb, selects) => selectRows(ovsdb, selects, performance.now() + CALL_MS),
    control: askControl,
    ask: askSocket,
    openStore: (url, options) => openStore(url, { ...options, limitMs: CALL_MS }),
    examineEtcd: async (url, options) => {
      const { examineEtcd } = await import("../../store/etcd/examine_etcd.ts");
      return await examineEtcd(url, { ...options, limitMs: CALL_MS });
    },
    examineAccess: async ({ kubeconfig, isInsecure }) => {
      const { examineAccess } = await import("../../kube/examine_access.ts");
      return await examineAccess(kubeconfig, { isInsecure, limitMs: CALL_MS });
    },
    tunnelFilters: (arrival) => findTunnelFilters(arrival, CALL_MS),
    vtepFault: ({ ovsdb, ovsRundir: rundir, bridge }, address) =>
      checkVtep(address, {
        tools: new OvsTools({ ovsdb, rundir, bridge }),
        host: new HostNet(undefined),
        place: { bridge, tunnelBridge: TUNNEL_BRIDGE },
        endMs: performance.now() + CALL_MS,
      }),
    ...hostProbes(CALL_MS),
  };
}

/** Reads a file system, which may hang. */
async function read<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await withDeadline(performance.now() + CALL_MS, slow(path), work());
  } catch (error) {
    throw faultFrom(error);
  }
}

function slow(path: string) {
  return (limitMs: number) =>
    new Fault("timeout", `${path} did not answer in ${Math.round(limitMs)} ms`, {
      fix: "see whether its file system is reachable",
    });
}

async function statOf(path: string): Promise<FileFacts | undefined> {
  try {
    const { isFile, isDirectory, isSocket, size, mode, uid, dev, ino } = await Deno.stat(path);
    const kind = isFile ? "file" : isDirectory ? "folder" : isSocket ? "socket" : "other";
    return { kind, size, mode: (mode ?? 0) & 0o7777, uid: uid ?? 0, inode: `${dev}:${ino}` };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw faultFrom(error);
  }
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw faultFrom(error);
  }
}

async function askControl(ovsRundir: string, verb: string): Promise<string> {
  using control = await openControl(ovsRundir);
  return await control.ask(verb, [], performance.now() + CALL_MS);
}

async function askSocket(socket: string, path: string): Promise<string> {
  using client = createUnixClient(socket);
  try {
    const answer = await fetch(`http://localhost${path}`, {
      client,
      signal: AbortSignal.timeout(CALL_MS),
    });
    return await answer.text();
  } catch (cause) {
    throw new Fault("unavailable", `${socket} does not answer`, { cause });
  }
}
