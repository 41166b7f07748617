// Answers requests from the agent's first moment on. Until this host is as it should be, each of them is
// answered with "unavailable" and what the agent is waiting for: callers try again, and nobody waits in
// silence for a start that takes long (with 100,000 endpoints on a busy machine, minutes).
//
// Calls that launchers pass on wait here for a while. When a node boots, all its pods come before the agent is ready, and
// what a launcher starts to try again takes 15 MB and a quarter of a second of a processor, which the agent needs.

import type { CniAnswer } from "../api/pod_requests.ts";
import type { CniInput } from "../../cni/cni_types.ts";
import { withDeadline } from "../../util/async/deadline.ts";
import { Fault } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import {
  answerLauncher,
  LAUNCHER_PATH,
  type LauncherAnswers,
  type VerbAnswerer,
} from "./launcher_calls.ts";
import { faultResponse } from "./server.ts";

/** Answers of an agent that is ready, to launchers and to all others. */
export interface Answers extends LauncherAnswers {
  readonly request: (request: Request) => Promise<Response>;
}

/** The times of a gate. */
export interface GateTimes {
  /** A start that takes longer says so in the log, again and again. */
  readonly progressMs: number;
  /** How long launchers' calls are held that attach a pod; those wait for 15 s at least. */
  readonly attachHoldMs: number;
  /** How long launchers' other calls are; those wait for 5 s at least. */
  readonly holdMs: number;
}

const TIMES: GateTimes = { progressMs: 5_000, attachHoldMs: 10_000, holdMs: 4_000 };

// Enough to accept a connection, read its request and answer.
const TURNS = 4;

/** The agent's answers: "try again" until it is opened. */
export class RequestGate {
  readonly #socket: string;
  readonly #log: Pick<Log, "info" | "debug">;
  readonly #times: GateTimes;
  readonly #timer: ReturnType<typeof setInterval>;
  #reportMs: number;
  #answers: Answers | undefined;
  /** Resolves when this is opened, or disposed of. */
  readonly #decided = Promise.withResolvers<void>();
  #isStopping = false;
  #waitsFor = "reading the store";

  /** `socket` is the path of the agent's socket. */
  constructor(socket: string, log: Pick<Log, "info" | "debug">, times: Partial<GateTimes> = {}) {
    this.#socket = socket;
    this.#log = log;
    this.#times = { ...TIMES, ...times };
    const { progressMs } = this.#times;
    this.#reportMs = performance.now() + progressMs;
    this.#timer = setInterval(() => this.#report(), progressMs / 5);
  }

  /** Records what the agent's start waits for now, such as "reading the store". */
  waitFor(what: string): void {
    this.#waitsFor = what;
  }

  /** What the agent's start waits for; undefined once it answers requests. */
  get waitsFor(): string | undefined {
    return this.#answers ? undefined : this.#waitsFor;
  }

  /** Why requests are not answered, or soon will not be; undefined while they are. */
  get closed(): string | undefined {
    if (this.#isStopping) return "agent is stopping";
    return this.#answers ? undefined : `agent is starting: ${this.#waitsFor}`;
  }

  /** The agent answers what it has begun, and nothing new from a moment on. */
  noteStopping(): void {
    this.#isStopping = true;
  }

  /** As waitFor(), before a step that may block this process: answers first who has asked so far. */
  async step(what: string): Promise<void> {
    if (this.#answers) return;
    this.#waitsFor = what;
    this.#report();
    for (let turns = 0; turns < TURNS; turns++) await new Promise((done) => setTimeout(done, 0));
  }

  #report(): void {
    const nowMs = performance.now();
    if (nowMs < this.#reportMs) return;
    this.#reportMs = nowMs + this.#times.progressMs;
    this.#log.info(`starting: ${this.#waitsFor}`);
  }

  /** Answers requests from now on. */
  open(answers: Answers): void {
    this.#answers = answers;
    this[Symbol.dispose]();
  }

  /** Answers a request on the socket. Never throws. */
  async request(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith(LAUNCHER_PATH)) {
      return await answerLauncher(this, { socket: this.#socket, log: this.#log }, request);
    }
    if (this.#answers) return await this.#answers.request(request);
    // A kubelet parses the answer as JSON: no address is known yet, so it gets none.
    if (pathname === "/v1/status") return Response.json({});
    return faultResponse(this.#startingFault());
  }

  /** Executes a verb for a launcher. Faults: those of the verb; unavailable if the agent's start takes long. */
  async verb(...[verb, pod]: Parameters<VerbAnswerer>): ReturnType<VerbAnswerer> {
    if (!this.#answers && verb === "status") return {};
    const answers = this.#answers ?? await this.#opened(verb === "setup");
    return await answers.verb(verb, pod);
  }

  /** Executes a CNI call for a launcher. Faults: unavailable if the agent's start takes long; for STATUS, at once. */
  async cni(input: CniInput): Promise<CniAnswer> {
    if (!this.#answers && input.command === "STATUS") throw this.#startingFault();
    const answers = this.#answers ?? await this.#opened(input.command === "ADD");
    return await answers.cni(input);
  }

  async #opened(isAttaching: boolean): Promise<Answers> {
    const { attachHoldMs, holdMs } = this.#times;
    const endMs = performance.now() + (isAttaching ? attachHoldMs : holdMs);
    await withDeadline(endMs, "the agent's start", this.#decided.promise).catch(() => {});
    if (!this.#answers) throw this.#startingFault();
    return this.#answers;
  }

  #startingFault(): Fault {
    return new Fault("unavailable", "agent is starting", {
      why: this.#waitsFor,
      fix: "try again in a moment",
    });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#decided.resolve();
  }
}
