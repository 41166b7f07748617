// What the agent reports to the service manager that started it (systemd): that it starts, is ready, works,
// stops. The watchdog gets a sign of life only while the reconcile loop goes round: an agent that hangs is
// ended and started again.

import type { Clock } from "../util/clock.ts";
import type { Log } from "../util/log.ts";
import { pause } from "../util/async/pause.ts";
import { faultFrom } from "../util/errors.ts";
import { openNotifySocket } from "../util/notify_socket.ts";

/** A loop that did nothing for so long hangs: each of its calls has a limit of seconds. */
export const STUCK_MS = 600_000;

// Between two messages of a start, each of which asks for more time.
const START_MS = 10_000;
const MORE_MS = 60_000;
// READY=1 that was not taken is sent again.
const AGAIN_MS = 1_000;
// Without a watchdog, nothing is sent.
const LONGEST_MS = 3_600_000;

/** Records that a loop goes on. */
export class LoopProgress {
  readonly #clock: Pick<Clock, "now">;
  #lastMs: number;

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
    this.#lastMs = clock.now();
  }

  /** Records that the loop has done something. */
  note(): void {
    this.#lastMs = this.#clock.now();
  }

  /** Reports whether the loop has done nothing for STUCK_MS. */
  get isStuck(): boolean {
    return this.#clock.now() - this.#lastMs >= STUCK_MS;
  }
}

/** What the messages are made from. */
export interface ServiceManagerDeps {
  /** Sends one message of sd_notify(3); reports whether it was taken. */
  readonly send: (message: string) => boolean;
  /** Milliseconds within which the watchdog wants a sign of life; without a watchdog undefined. */
  readonly watchdogMs: number | undefined;
  readonly progress: Pick<LoopProgress, "isStuck" | "note">;
  /** What the agent's start waits for now. */
  readonly startsWith: () => string;
  readonly log: Pick<Log, "error">;
}

/** Reports the agent's state until it is stopped. */
export class ServiceManager {
  readonly #deps: ServiceManagerDeps;
  #state: "starting" | "ready" | "reported" = "starting";
  #startedWith = "";
  #wasStuck = false;
  #wake = () => {};

  constructor(deps: ServiceManagerDeps) {
    this.#deps = deps;
  }

  /** Sends what there is to send until `signal` aborts, and then that the agent stops. */
  async keep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#report();
      await pause(this.#pauseMs(), signal, (wake) => this.#wake = wake);
    }
    this.#deps.send("STOPPING=1\nSTATUS=stopping");
  }

  /** Requests are answered from now on. */
  ready(): void {
    this.#state = "ready";
    this.#deps.progress.note();
    this.#wake();
  }

  #pauseMs(): number {
    if (this.#state === "starting") return START_MS;
    if (this.#state === "ready") return AGAIN_MS;
    return Math.min((this.#deps.watchdogMs ?? Infinity) / 3, LONGEST_MS);
  }

  #report(): void {
    const { send, progress, log } = this.#deps;
    if (this.#state === "starting") this.#noteStart();
    if (progress.isStuck) {
      if (!this.#wasStuck) log.error(`hangs, as nothing went on for ${STUCK_MS / 1_000} s`);
      this.#wasStuck = true;
      return;
    }
    this.#wasStuck = false;
    if (this.#state === "reported") {
      if (this.#deps.watchdogMs !== undefined) send("WATCHDOG=1");
    } else if (this.#state === "starting") {
      send(`EXTEND_TIMEOUT_USEC=${MORE_MS * 1_000}\nSTATUS=starting: ${this.#startedWith}`);
    } else if (send("READY=1\nWATCHDOG=1\nSTATUS=ready")) {
      this.#state = "reported";
    }
  }

  /** A start goes on when it waits for something else. */
  #noteStart(): void {
    const waitsFor = this.#deps.startsWith();
    if (waitsFor !== this.#startedWith) this.#deps.progress.note();
    this.#startedWith = waitsFor;
  }
}

/** How the service manager is reached. */
export interface ServiceManagerOptions {
  /** Path of its socket, or `@` and the name of an abstract one. */
  readonly socket: string;
  readonly watchdogMs: number | undefined;
}

/**
 * Returns how the service manager is reached from process `pid`, by the variables of sd_notify(3) and
 * sd_watchdog_enabled(3); undefined if there is none.
 */
export function serviceManagerFrom(
  env: (name: string) => string | undefined,
  pid: number,
): ServiceManagerOptions | undefined {
  const socket = env("NOTIFY_SOCKET") ?? "";
  if (socket === "") return undefined;
  const watchdogPid = env("WATCHDOG_PID") ?? "";
  const isOurs = watchdogPid === "" || watchdogPid === String(pid);
  const text = env("WATCHDOG_USEC") ?? "";
  const watchdogMs = isOurs && /^[1-9]\d{0,15}$/.test(text) ? Number(text) / 1_000 : undefined;
  return { socket, watchdogMs };
}

/** Returns what reports to the service manager, if there is one that can be reached. */
export function reportTo(
  options: ServiceManagerOptions | undefined,
  { log, ...deps }: Pick<ServiceManagerDeps, "progress" | "startsWith"> & {
    readonly log: Pick<Log, "error" | "warn">;
  },
): ServiceManager | undefined {
  if (options === undefined) return undefined;
  try {
    const send = openNotifySocket(options.socket);
    return new ServiceManager({ ...deps, watchdogMs: options.watchdogMs, send, log });
  } catch (error) {
    log.warn(`service manager is not reported to: ${faultFrom(error).message}`);
    return undefined;
  }
}
