// What the agent asks of container runtimes: who is this sandbox, and is it still there.

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

/** The runtimes of this host. Every call ends within its limit. */
export interface Runtimes {
  /**
   * Gives the sandbox of `id`, undefined where nobody knows it. A path `netns` from the caller (CNI)
   * is taken as it is. Faults: unavailable and timeout, when a runtime that may know it does not
   * answer; usage, when `id` is a container in another one's sandbox, or `netns` is no namespace.
   */
  findSandbox(id: string, netns?: string): Promise<Sandbox | undefined>;
  /** Reports whether the namespace at `netns` is still the recorded one. Faults: when it cannot be told. */
  isAlive(place: SandboxPlace): Promise<boolean>;
}
