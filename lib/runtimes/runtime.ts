// What the agent needs of container runtimes: which pod a sandbox belongs to, whether it still exists, which
// sandboxes are running, and events about them.

import type { Fault } from "../util/errors.ts";

/** A pod as its runtime names it; `uid` if the runtime knows it. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string;
}

/** A pod's network namespace, identified by the id of its infra container. */
export interface Sandbox {
  /** The full id, also if a prefix was asked for. */
  readonly id: string;
  /** Path of the network namespace; empty if the sandbox is not running. */
  readonly netns: string;
  /** Inode number of the namespace; 0 if the sandbox is not running. */
  readonly netnsInode: number;
  readonly pid?: number;
  /** Start time of process `pid`, in clock ticks after boot; only if `netns` contains a process id, which may be reused. */
  readonly startTime?: number;
  /** Whether it shares the host's network. */
  readonly isHostNetwork: boolean;
  readonly isRunning: boolean;
  /** Absent if the runtime does not know. */
  readonly pod?: PodName;
  /** The container's labels, if any: kubelets since 1.2 store the pod's namespace, name and uid there. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The container's or the namespace's own name. */
  readonly name?: string;
}

/** What a record keeps of a sandbox's namespace. */
export interface SandboxPlace {
  readonly netns: string;
  readonly netnsInode: number;
  readonly startTime?: number | undefined;
}

/** A running container that has, or may have, a network namespace of its own. */
export interface ListedSandbox {
  /** The full id. */
  readonly id: string;
  readonly name: string;
  /** The pod whose infra container it is; absent for a container that no kubelet created. */
  readonly pod?: PodName;
}

/** An event of a runtime. It is only a hint to check: it may come late, twice, or not at all. */
export type RuntimeEvent =
  /** From now on events are reported; sandboxes from before have to be listed. */
  | { readonly kind: "opened" }
  /** No events until the next `opened`; without a fault, this host has no such runtime. */
  | { readonly kind: "lost"; readonly fault: Fault | undefined }
  | {
    readonly kind: "started" | "ended" | "renamed";
    readonly sandbox: string;
    /** `unknown`: the runtime does not say; the container may also share another one's sandbox. */
    readonly role: "infra" | "plain" | "unknown";
  };

/** Milliseconds within which a runtime, or a command that reads /proc, has to answer. */
export const RUNTIME_LIMIT_MS = 3_000;

/** The runtimes of this host. Every promise settles within its limit. */
export interface Runtimes {
  /**
   * Returns the sandbox of `id`, undefined if no runtime knows it. A path `netns` from the caller (CNI) is used as
   * it is. Faults: unavailable and timeout, if a runtime that may know it does not answer; usage, if `id` is a
   * container in another one's sandbox, or `netns` is not the path of a namespace.
   */
  findSandbox(id: string, netns?: string): Promise<Sandbox | undefined>;
  /** Reports whether the namespace at `netns` is still the recorded one. Faults: if that cannot be determined. */
  isAlive(place: SandboxPlace): Promise<boolean>;
  /**
   * Returns the running sandboxes, without those in the host's network; undefined if no runtime here can list.
   * Faults: unavailable, timeout.
   */
  listSandboxes(): Promise<readonly ListedSandbox[] | undefined>;
  /** Reports events until `signal` aborts, across all outages. `report` must not throw. */
  follow(signal: AbortSignal, report: (event: RuntimeEvent) => void): void;
}
