// Asks this host's runtimes in turn: Docker where it is, then the named network namespaces.

import { Fault, isUnreachable, oneLine } from "../util/errors.ts";
import type { Container } from "./docker/responses.ts";
import { Docker } from "./docker/docker.ts";
import { follow } from "./docker/docker_events.ts";
import { runtimeEventFrom, sandboxesIn } from "./listed_sandboxes.ts";
import { Namespaces } from "./netns.ts";
import { podFromNaming } from "./pod_names.ts";
import type { ListedSandbox, RuntimeEvent, Runtimes, Sandbox, SandboxPlace } from "./runtime.ts";

/** Where the runtimes are. */
export interface RuntimesOptions {
  /** `unix:PATH` of Docker's socket, or `none`. */
  readonly docker: string;
  /** Docker answers within this. @default 3000 */
  readonly limitMs?: number;
}

/** Returns the runtimes of this host; nothing is asked before the first call. Faults: usage. */
export function openRuntimes({ docker, limitMs = 3_000 }: RuntimesOptions): Runtimes {
  const path = parseDockerAddress(docker);
  return new HostRuntimes(path === undefined ? undefined : new Docker(path, limitMs));
}

/** Returns the socket's path in `unix:PATH`, undefined for `none`. Faults: usage. */
export function parseDockerAddress(address: string): string | undefined {
  if (address === "none") return undefined;
  const path = /^unix:(?:\/\/)?(\/[^\0]+)$/.exec(address)?.[1];
  if (path !== undefined && !path.startsWith("//")) return path;
  throw new Fault("usage", `--docker "${oneLine(address, 60)}" cannot be used`, {
    why: "only a unix socket is spoken to",
    fix: "write unix:/var/run/docker.sock, or none",
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
    let silent: unknown;
    try {
      const container = await this.#docker?.find(id);
      if (container) return await this.#sandboxOf(container);
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      silent = error;
    }
    const named = await this.#namespaces.findNamed(id);
    // "Nobody knows it" would be a guess while Docker does not answer.
    if (!named && silent) throw silent;
    return named;
  }

  isAlive(place: SandboxPlace): Promise<boolean> {
    return this.#namespaces.isAlive(place);
  }

  async listSandboxes(): Promise<readonly ListedSandbox[] | undefined> {
    const containers = await this.#docker?.list();
    return containers && sandboxesIn(containers);
  }

  follow(signal: AbortSignal, tell: (news: RuntimeEvent) => void): void {
    if (!this.#docker) return;
    void follow(this.#docker, signal, (told) => {
      const news = runtimeEventFrom(told);
      if (news) tell(news);
    });
  }

  async #sandboxOf(container: Container): Promise<Sandbox> {
    const { id, pid, networkMode } = container;
    if (networkMode.startsWith("container:")) {
      const other = networkMode.slice("container:".length);
      throw new Fault("usage", `container ${id.slice(0, 12)} is no sandbox`, {
        why: `it uses the network of container ${oneLine(other, 20)}`,
        fix: "call with that one's id",
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

  // Docker's own file first: it belongs to the container, a process id to whoever has it. The file
  // is missing below Docker 1.7, and empty where dockerd has a mount namespace of its own.
  async #namespaceOf({ sandboxKey, pid }: Container) {
    return (sandboxKey.startsWith("/") ? await this.#namespaces.find(sandboxKey) : undefined) ??
      await this.#namespaces.find(`/proc/${pid}/ns/net`);
  }
}
