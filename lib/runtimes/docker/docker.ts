// The three requests of Docker's API that are used: inspect a container, list the running ones, stream events.

import { Fault, oneLine } from "../../util/errors.ts";
import {
  type Container,
  errorMessageOf,
  type ListedContainer,
  parseContainer,
  parseList,
} from "./responses.ts";
import { RUNTIME_LIMIT_MS } from "../runtime.ts";
import { DockerSocket } from "./docker_socket.ts";

const JSON_FILTER = (filter: unknown) => encodeURIComponent(JSON.stringify(filter));

// Only these: kubelets' probes cause several events per second by running commands in containers.
const EVENTS = `/events?filters=${JSON_FILTER({ event: ["start", "die", "rename"] })}`;

/** Docker at one unix socket. */
export class Docker {
  readonly #socket: DockerSocket;

  constructor(path: string, limitMs = RUNTIME_LIMIT_MS) {
    this.#socket = new DockerSocket(path, limitMs);
  }

  /**
   * Returns the container whose id is, or starts with, `id` (at least 12 digits); undefined if Docker does not know
   * it, or its socket does not exist. Faults: conflict (several ids start so), unavailable, timeout.
   */
  async find(id: string): Promise<Container | undefined> {
    // A shorter one could be the prefix of another id by chance, such as a named namespace "cafe".
    if (!/^[0-9a-f]{12,64}$/.test(id) || !await this.#socket.exists()) return undefined;
    const { status, text } = await this.#socket.get(`/containers/${id}/json`);
    if (status === 404) return undefined;
    if (isAmbiguous(text)) {
      throw new Fault("conflict", `container id ${id} is not unique`, {
        why: "several containers have this prefix",
        fix: "use the full id",
      });
    }
    const container = this.#read(status, text, parseContainer);
    // Docker also finds names: another container may be named like an id.
    return container.id.startsWith(id) ? container : undefined;
  }

  /** Returns the running containers; undefined without a socket. Faults: as find(). */
  async list(): Promise<readonly ListedContainer[] | undefined> {
    if (!await this.#socket.exists()) return undefined;
    const { status, text } = await this.#socket.get("/containers/json");
    return this.#read(status, text, parseList);
  }

  /** Opens the stream of events, one per line; undefined without a socket. Faults: as find(). */
  async events(signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> {
    if (!await this.#socket.exists()) return undefined;
    return await this.#socket.openStream(EVENTS, signal);
  }

  #read<T>(status: number, text: string, parse: (text: string) => T | undefined): T {
    if (status !== 200) {
      throw this.#socket.unavailable(`it responded "${oneLine(errorMessageOf(text), 60)}"`);
    }
    const value = parse(text);
    if (value === undefined) throw this.#socket.unavailable("its response is not one of Docker's");
    return value;
  }
}

// Seen with 20.10, status 500; the status has changed between releases, the text has not.
function isAmbiguous(text: string): boolean {
  return /multiple ids found/i.test(errorMessageOf(text));
}
