// Runtimes in memory: containers that start, end, are restarted and renamed, beside named namespaces. What
// it promises is what lib/runtimes/runtime.ts says; tests/contract/runtimes_contract.ts holds it to that.

import { checkNetnsPath } from "../../lib/runtimes/netns.ts";
import { type Naming, podFromNaming, roleOf } from "../../lib/runtimes/pod_names.ts";
import type {
  ListedSandbox,
  RuntimeEvent,
  Runtimes,
  Sandbox,
  SandboxPlace,
} from "../../lib/runtimes/runtime.ts";
import { Fault } from "../../lib/util/errors.ts";
import { randomHex } from "../lab/pod.ts";
import { CallRecorder } from "./call_recorder.ts";
import type { MemoryKernel, MemoryNamespace } from "./memory_kernel.ts";

/** How a container is started. */
export interface MemoryContainer {
  /** 64 hex digits. @default random ones */
  readonly id?: string;
  /** Of an infra container as kubelets name it, `k8s_POD_NAME_NAMESPACE_UID_0`. @default part of the id */
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Of its own, the host's, or that of the container whose id it is. @default "own" */
  readonly network?: "own" | "host" | { readonly of: string };
}

interface Container extends Naming {
  readonly id: string;
  name: string;
  readonly network: "own" | "host" | { readonly of: string };
  /** 0 where it does not run. */
  pid: number;
}

/** The runtimes of a host whose namespaces `kernel` has. */
export class MemoryRuntimes implements Runtimes {
  /** The calls so far; also where a test injects faults. */
  readonly recorder = new CallRecorder<Runtimes>();
  readonly #kernel: MemoryKernel;
  readonly #hasDocker: boolean;
  readonly #containers = new Map<string, Container>();
  readonly #followers = new Set<(news: RuntimeEvent) => void>();
  #outage: Fault | undefined;
  #pids = 1_000;

  /** Without `hasDocker` there are named namespaces only. */
  constructor(kernel: MemoryKernel, { hasDocker = true } = {}) {
    this.#kernel = kernel;
    this.#hasDocker = hasDocker;
  }

  findSandbox(id: string, netns?: string): Promise<Sandbox | undefined> {
    return this.recorder.run("findSandbox", [id, netns], () => {
      if (netns !== undefined && netns !== "") return this.#givenSandbox(id, netns);
      const isContainerId = this.#hasDocker && /^[0-9a-f]{12,64}$/.test(id);
      if (!isContainerId) return this.#namedSandbox(id);
      if (this.#outage) {
        const named = this.#namedSandbox(id);
        if (named) return named;
        throw this.#outage;
      }
      const container = [...this.#containers.values()].find((one) => one.id.startsWith(id));
      return container ? this.#sandboxOf(container) : this.#namedSandbox(id);
    });
  }

  isAlive(place: SandboxPlace): Promise<boolean> {
    return this.recorder.run("isAlive", [place], () => {
      return this.#kernel.namespaceAt(place.netns)?.inode === place.netnsInode;
    });
  }

  listSandboxes(): Promise<readonly ListedSandbox[] | undefined> {
    return this.recorder.run("listSandboxes", [], () => {
      if (!this.#hasDocker) return undefined;
      if (this.#outage) throw this.#outage;
      return [...this.#containers.values()]
        .filter((one) => one.pid > 0 && one.network === "own" && roleOf(one) !== "app")
        .map((one) => ({ id: one.id, name: one.name, ...podOf(one) }));
    });
  }

  follow(signal: AbortSignal, onEvent: (news: RuntimeEvent) => void): void {
    if (!this.#hasDocker) return;
    this.#followers.add(onEvent);
    signal.addEventListener("abort", () => this.#followers.delete(onEvent));
    const first: RuntimeEvent = this.#outage
      ? { kind: "lost", fault: this.#outage }
      : { kind: "opened" };
    queueMicrotask(() => this.#followers.has(onEvent) && onEvent(first));
  }

  /** Starts a container, a new one or one that was killed; returns its id. */
  start(container: MemoryContainer = {}): string {
    const { id = randomHex(64), network = "own", labels = {} } = container;
    const started = this.#containers.get(id) ??
      { id, name: container.name ?? id.slice(0, 12), network, labels, pid: 0 };
    started.pid = ++this.#pids;
    this.#containers.set(id, started);
    if (started.network === "own") this.#kernel.addNamespace(netnsOf(started));
    if (started.network === "host") this.#kernel.nameNamespace(netnsOf(started), this.#kernel.host);
    this.#report("started", started);
    return id;
  }

  /** Kills a container: it stays known, its namespace goes. */
  kill(id: string): void {
    const container = this.#containers.get(id)!;
    this.#kernel.deleteNamespace(netnsOf(container));
    container.pid = 0;
    this.#report("ended", container);
  }

  /** Kills a container and starts it again: its next namespace is another one. */
  restart(id: string): void {
    this.kill(id);
    this.start({ id });
  }

  /** Kills and forgets a container. */
  remove(id: string): void {
    if (this.#containers.get(id)!.pid > 0) this.kill(id);
    this.#containers.delete(id);
  }

  /** Renames a container. */
  rename(id: string, name: string): void {
    const container = this.#containers.get(id)!;
    container.name = name;
    this.#report("renamed", container);
  }

  /** Makes Docker fail every call with `fault`; containers go on, but nothing is reported. */
  breakOff(fault: Fault): void {
    this.#outage = fault;
    for (const onEvent of this.#followers) onEvent({ kind: "lost", fault });
  }

  /** Makes Docker answer again. */
  reopen(): void {
    this.#outage = undefined;
    for (const onEvent of this.#followers) onEvent({ kind: "opened" });
  }

  #report(kind: "started" | "ended" | "renamed", container: Container): void {
    const role = roleOf(container);
    if (this.#outage || role === "app") return;
    for (const onEvent of this.#followers) onEvent({ kind, sandbox: container.id, role });
  }

  #sandboxOf(container: Container): Sandbox {
    const { id, name, labels, network, pid } = container;
    if (typeof network === "object") {
      throw new Fault("usage", `container ${id.slice(0, 12)} is not a sandbox`, {
        why: `it uses the network of container ${network.of.slice(0, 12)}`,
      });
    }
    const hasLabels = Object.keys(labels).length > 0;
    const known = { id, name, ...hasLabels && { labels }, ...podOf(container) };
    const isHostNetwork = network === "host";
    if (pid === 0) return { ...known, netns: "", netnsInode: 0, isHostNetwork, isRunning: false };
    const netns = netnsOf(container);
    const { inode } = this.#kernel.namespaceAt(netns)!;
    return { ...known, netns, netnsInode: inode, isHostNetwork, pid, isRunning: true };
  }

  #namedSandbox(id: string): Sandbox | undefined {
    const netns = `/run/netns/${id}`;
    const namespace = this.#kernel.namespaceAt(netns);
    return namespace && { ...this.#placeOf(netns, namespace), id, name: id, isRunning: true };
  }

  #givenSandbox(id: string, netns: string): Sandbox | undefined {
    checkNetnsPath(netns);
    const namespace = this.#kernel.namespaceAt(netns);
    return namespace && { ...this.#placeOf(netns, namespace), id, isRunning: true };
  }

  #placeOf(netns: string, namespace: MemoryNamespace) {
    const isHostNetwork = namespace === this.#kernel.host;
    return { netns, netnsInode: namespace.inode, isHostNetwork };
  }
}

function netnsOf({ id, network, pid }: Container): string {
  return network === "host" ? `/proc/${pid}/ns/net` : `/var/run/docker/netns/${id.slice(0, 12)}`;
}

function podOf(naming: Naming): Pick<Sandbox, "pod"> {
  const pod = podFromNaming(naming);
  return pod ? { pod } : {};
}
