// The runtimes of this host, in this order: Docker, if there is one, then the named network namespaces.

import { Fault, isUnreachable, oneLine } from "../util/errors.ts";
import type { Container } from "./docker/responses.ts";
import { Docker } from "./docker/docker.ts";
import { follow } from "./docker/docker_events.ts";
import { runtimeEventFrom, sandboxesIn } from "./listed_sandboxes.ts";
import { Namespaces } from "./netns.ts";
import { podFromNaming } from "./pod_names.ts";
import {
  type ListedSandbox,
  RUNTIME_LIMIT_MS,
  type RuntimeEvent,
  type Runtimes,
  type Sandbox,
  type SandboxPlace,
} from "./runtime.ts";

/** Where the runtimes are found. */
export interface RuntimesOptions {
  /** `unix:PATH` or `/PATH` of Docker's socket, or `none`. */
  readonly docker: string;
  /** Milliseconds within which Docker has to answer. @default RUNTIME_LIMIT_MS */
  readonly limitMs?: number;
}

/** Returns the runtimes of this host; nothing is opened before the first call. Faults: usage. */
export function openRuntimes({ docker, limitMs = RUNTIME_LIMIT_MS }: RuntimesOptions): Runtimes {
  const path = parseDockerAddress(docker);
  return new HostRuntimes(path === undefined ? undefined : new Docker(path, limitMs));
}

/** Returns the socket's path in `unix:PATH` or `PATH`, undefined for `none`. Faults: usage. */
export function parseDockerAddress(address: string): string | undefined {
  if (address === "none") return undefined;
  const path = /^(?:unix:(?:\/\/)?)?(\/[^\0]+)$/.exec(address)?.[1];
  if (path !== undefined && !path.startsWith("//")) return path;
  throw new Fault("usage", `--docker "${oneLine(address, 60)}" is not valid`, {
    why: "only unix sockets are supported",
    fix: "use unix:/var/run/docker.sock, or none",
  });
}

class HostRuntimes implements Runtimes {
  readonly #docker: Docker | undefined;
  readonly #namespaces = new Namespaces();

  constructor(docker: Docker | undefined) {
    this.#docker = docker;
  }

  async findSandbox(id: string, netns?: string): Promise<Sandbox | undefined> {
    if (netns !== undefined && netns !== "") return await this.#namespaces.findGiven(id, netns);
    let outage: unknown;
    try {
      const container = await this.#docker?.find(id);
      if (container) return await this.#sandboxOf(container);
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      outage = error;
    }
    const named = await this.#namespaces.findNamed(id);
    // While Docker does not answer, "unknown" would be a guess.
    if (!named && outage) throw outage;
    return named;
  }

  isAlive(place: SandboxPlace): Promise<boolean> {
    return this.#namespaces.isAlive(place);
  }

  async listSandboxes(): Promise<readonly ListedSandbox[] | undefined> {
    const containers = await this.#docker?.list();
    return containers && sandboxesIn(containers);
  }

  follow(signal: AbortSignal, report: (event: RuntimeEvent) => void): void {
    if (!this.#docker) return;
    void follow(this.#docker, signal, (streamed) => {
      const event = runtimeEventFrom(streamed);
      if (event) report(event);
    });
  }

  async #sandboxOf(container: Container): Promise<Sandbox> {
    const { id, pid, networkMode } = container;
    if (networkMode.startsWith("container:")) {
      const other = networkMode.slice("container:".length);
      throw new Fault("usage", `container ${id.slice(0, 12)} is not a sandbox`, {
        why: `it uses the network of container ${oneLine(other, 20)}`,
        fix: "use the id of that container",
      });
    }
    const pod = podFromNaming(container);
    const name = container.name.replace(/^\//, "");
    const { labels } = container;
    const hasLabels = Object.keys(labels).length > 0;
    const known = { id, name, ...(hasLabels && { labels }), ...(pod && { pod }) };
    const namespace = pid > 0 ? await this.#namespaceOf(container) : undefined;
    if (!namespace) {
      const isHostNetwork = networkMode === "host";
      return { ...known, netns: "", netnsInode: 0, isHostNetwork, isRunning: false };
    }
    return { ...namespace, ...known, pid, isRunning: true };
  }

  // Docker's own file first: it belongs to the container, while a process id may be reused. The file is missing below
  // Docker 1.7, and empty if dockerd has a mount namespace of its own.
  async #namespaceOf({ sandboxKey, pid }: Container) {
    return (sandboxKey.startsWith("/") ? await this.#namespaces.find(sandboxKey) : undefined) ??
      await this.#namespaces.find(`/proc/${pid}/ns/net`);
  }
}
