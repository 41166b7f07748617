// What the agent asks of container runtimes: who is this sandbox, is it still there, which ones run,
// and what happens to them.

import type { Fault } from "../util/errors.ts";

/** A pod as its runtime names it. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string;
}

/** A pod's network namespace, known by its infra container's id. */
export interface Sandbox {
  /** In full, also where a shorter one was asked for. */
  readonly id: string;
  /** Path of the network namespace; empty where the sandbox does not run. */
  readonly netns: string;
  /** Its inode number; 0 where the sandbox does not run. */
  readonly netnsInode: number;
  readonly pid?: number;
  /** Only where `netns` leads over a process id: what tells it from a later process of that id. */
  readonly startTime?: number;
  /** Its network is the host's own. */
  readonly isHostNetwork: boolean;
  readonly isRunning: boolean;
  /** Absent where the runtime does not know. */
  readonly pod?: PodName;
  /** The container's labels, where the runtime keeps some: kubelets since 1.2 put the pod's there. */
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

/** A container that runs and has, or may have, a network namespace of its own. */
export interface ListedSandbox {
  /** In full. */
  readonly id: string;
  readonly name: string;
  /** The pod whose infra container it is; absent for a container that no kubelet made. */
  readonly pod?: PodName;
}

/** What a runtime tells. It only says where to look: it may come late, twice, or not at all. */
export type RuntimeEvent =
  /** From now on changes are told; what is there already is to be listed. */
  | { readonly kind: "opened" }
  /** Nothing is told until it is opened again; without a fault there is no such runtime here. */
  | { readonly kind: "lost"; readonly fault: Fault | undefined }
  | {
    readonly kind: "started" | "ended" | "renamed";
    readonly sandbox: string;
    /** `unknown`: the runtime does not say; it may also be nothing that has a sandbox. */
    readonly role: "infra" | "plain" | "unknown";
  };

/** The runtimes of this host. Every promise settles within its limit. */
export interface Runtimes {
  /**
   * Returns the sandbox of `id`, undefined where nobody knows it. A path `netns` from the caller (CNI)
   * is taken as it is. Faults: unavailable and timeout, when a runtime that may know it does not
   * answer; usage, when `id` is a container in another one's sandbox, or `netns` is no namespace.
   */
  findSandbox(id: string, netns?: string): Promise<Sandbox | undefined>;
  /** Reports whether the namespace at `netns` is still the recorded one. Faults: when it cannot be told. */
  isAlive(place: SandboxPlace): Promise<boolean>;
  /**
   * Returns the sandboxes that run, without those in the host's network; undefined where there is no
   * runtime that can list. Faults: unavailable, timeout.
   */
  listSandboxes(): Promise<readonly ListedSandbox[] | undefined>;
  /** Tells what happens until `signal` aborts, through all outages. `tell` must not throw. */
  follow(signal: AbortSignal, tell: (news: RuntimeEvent) => void): void;
}
