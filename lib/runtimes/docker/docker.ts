// Docker's API, as far as four questions go: what is this container, which ones run, and what happens
// to them.

import { Fault, oneLine } from "../../util/errors.ts";
import {
  type Container,
  type ListedContainer,
  messageIn,
  parseContainer,
  parseList,
} from "./responses.ts";
import { DockerSocket } from "./docker_socket.ts";

const JSON_FILTER = (filter: unknown) => encodeURIComponent(JSON.stringify(filter));

// Only these: kubelets' probes make several events a second by running commands in containers.
const EVENTS = `/events?filters=${JSON_FILTER({ event: ["start", "die", "rename"] })}`;

/** Docker at one unix socket. */
export class Docker {
  readonly #socket: DockerSocket;

  constructor(path: string, limitMs = 3_000) {
    this.#socket = new DockerSocket(path, limitMs);
  }

  /**
   * Returns the container whose id is or starts with `id` (12 digits at least). undefined where Docker
   * does not know it, and where Docker's socket is not there. Faults: conflict (several start so),
   * unavailable, timeout.
   */
  async find(id: string): Promise<Container | undefined> {
    // Shorter words could be another's prefix by chance, as a named namespace "cafe".
    if (!/^[0-9a-f]{12,64}$/.test(id) || !await this.#socket.isThere()) return undefined;
    const { status, text } = await this.#socket.ask(`/containers/${id}/json`);
    if (status === 404) return undefined;
    if (isAmbiguous(text)) {
      throw new Fault("conflict", `container id ${id} is not unique`, {
        why: "several containers start so",
        fix: "give the id in full",
      });
    }
    const container = this.#read(status, text, parseContainer);
    // Docker looks for names, too: somebody's container may be named like an id.
    return container.id.startsWith(id) ? container : undefined;
  }

  /** Returns the containers that run; undefined where there is no socket. Faults: as find(). */
  async list(): Promise<readonly ListedContainer[] | undefined> {
    if (!await this.#socket.isThere()) return undefined;
    const { status, text } = await this.#socket.ask("/containers/json");
    return this.#read(status, text, parseList);
  }

  /** Opens the stream of events, one a line; undefined where there is no socket. Faults: as find(). */
  async events(signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> {
    if (!await this.#socket.isThere()) return undefined;
    return await this.#socket.open(EVENTS, signal);
  }

  #read<T>(status: number, text: string, parse: (text: string) => T | undefined): T {
    if (status !== 200) throw this.#socket.unavailable(`it says "${oneLine(messageIn(text), 60)}"`);
    const value = parse(text);
    if (value === undefined) throw this.#socket.unavailable("its answer is none of Docker's");
    return value;
  }
}

// Seen with 20.10, status 500; the status has changed with releases, the words have not.
function isAmbiguous(text: string): boolean {
  return /multiple ids found/i.test(messageIn(text));
}
