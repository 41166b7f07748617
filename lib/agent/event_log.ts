// The last events of this host: what the log says of pods, repairs, drops, the store and other servers. Made from the
// log's lines, so that the two never contradict; kept across restarts.

import type { Log, LogFields, LogLevel } from "../util/log.ts";
import type { EventItem } from "./api/listed_items.ts";

/** Most events that are kept. */
export const MOST_EVENTS = 1_000;

/** Kinds by how a line begins; a line of level info that is not here is no event. */
const KINDS: readonly (readonly [kind: string, words: RegExp])[] = [
  ["attach", /^(attached|pod attached)/],
  ["detach", /^(detached|pod has lost|address released)/],
  ["drop", /^dropped /],
  [
    "repair",
    /^(port reconciled|pod interface reconciled|stray port|claim repaired|endpoint restored|attachment restored|pod follows|flows )/,
  ],
  ["unmatched", /^(pod left alone|container left alone)/],
  ["refused", /^(set-up refused|CNI call failed|pod .* not connected)/],
  ["store", /^(store |replayed |set-up recorded)/],
  ["intent", /^(intent applied|finished an interrupted apply|an apply was)/],
  ["kubernetes", /^(API server|Kubernetes |network-status)/],
  ["policy", /^(policies |drops are)/],
  ["switch", /^(Open vSwitch|interface error|uplink|overlay|reconciliation|attach failed)/],
  ["runtime", /^(container runtime|containers|sandbox|no Docker)/],
  ["host", /^(host removed|agent ready|stopping)/],
];

/** Where lines of a level are no event unless KINDS names them. */
const QUIET: ReadonlySet<LogLevel> = new Set(["info", "debug"]);

/** The last events. */
export class EventLog {
  readonly #host: string;
  readonly #clock: () => string;
  /** Called with each new event. */
  onEvent: (event: EventItem) => void = () => {};
  #events: EventItem[] = [];
  #count = 0;

  /** `clock` returns ISO 8601, UTC. */
  constructor(host: string, clock: () => string) {
    this.#host = host;
    this.#clock = clock;
  }

  /** How many events there have been, for those who save them. */
  get count(): number {
    return this.#count;
  }

  /** Returns the events, oldest first: all, or those of a kind or pod, also as the other one of a dropped packet. */
  list(name?: string): EventItem[] {
    const last = this.#events.slice(-MOST_EVENTS);
    if (name === undefined) return last;
    return last.filter(({ kind, pod, peer }) =>
      [kind, ...[pod, peer].flatMap(namesOf)].includes(name)
    );
  }

  /** Takes over the events of an earlier agent. */
  restore(events: readonly EventItem[]): void {
    this.#events = [...events, ...this.#events].slice(-MOST_EVENTS);
  }

  /** Returns a log that writes to `log` and records events. */
  recording(log: Log): Log {
    const at = (level: LogLevel) => (message: string, fields: LogFields = {}) => {
      log[level](message, fields);
      this.record(level, message, fields);
    };
    return { error: at("error"), warn: at("warn"), info: at("info"), debug: at("debug") };
  }

  /** Records the event of one line of the log, if it is one. */
  record(level: LogLevel, message: string, fields: LogFields = {}): void {
    const kind = KINDS.find(([, words]) => words.test(message))?.[0];
    if (level === "debug" || (kind === undefined && QUIET.has(level))) return;
    const { pod, peer, network, address, ...rest } = fields;
    const more = Object.entries(rest).filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${key} ${value}`).join(", ");
    this.#count++;
    const event: EventItem = {
      ...{ at: this.#clock(), kind: kind ?? level, host: this.#host },
      ...(typeof pod === "string" ? { pod } : {}),
      ...(typeof peer === "string" ? { peer } : {}),
      ...(typeof network === "string" ? { network } : {}),
      ...(typeof address === "string" ? { address } : {}),
      ...(typeof fields.ms === "number" ? { ms: fields.ms } : {}),
      message: more === "" ? message : `${message} (${more})`,
    };
    this.#events.push(event);
    this.onEvent(event);
    // Shortened rarely: an array that is shifted for each event is copied each time.
    if (this.#events.length > 2 * MOST_EVENTS) this.#events = this.#events.slice(-MOST_EVENTS);
  }
}

/** Returns the names by which events of a pod are listed. */
function namesOf(pod: string | undefined): string[] {
  return pod === undefined ? [] : [pod, pod.slice(pod.indexOf("/") + 1)];
}
