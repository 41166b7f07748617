// Answers requests from the agent's first moment on. Until this host is as it should be, each of them is
// answered with "unavailable" and what the agent is waiting for: callers try again, and nobody waits in
// silence for a start that takes long (with 100,000 endpoints on a busy machine, minutes).

import type { CniAnswer } from "../api/pod_requests.ts";
import type { CniInput } from "../../cni/cni_types.ts";
import type { Answerer, DoorAnswers } from "./door.ts";
import { Fault } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { faultResponse } from "./server.ts";

/** Answers of an agent that is ready, to the socket and to the door. */
export interface Answers extends DoorAnswers {
  readonly request: (request: Request) => Promise<Response>;
}

// A start that takes longer says so in the log, again and again.
const PROGRESS_MS = 5_000;
// Enough to accept a connection, read its request and answer.
const TURNS = 4;

/** The agent's answers: "try again" until it is opened. */
export class RequestGate {
  readonly #log: Pick<Log, "info">;
  readonly #progressMs: number;
  readonly #timer: ReturnType<typeof setInterval>;
  #reportMs: number;
  #answers: Answers | undefined;
  #isStopping = false;
  #waitsFor = "reading the store";

  constructor(log: Pick<Log, "info">, progressMs: number = PROGRESS_MS) {
    this.#log = log;
    this.#progressMs = progressMs;
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
    this.#reportMs = nowMs + this.#progressMs;
    this.#log.info(`starting: ${this.#waitsFor}`);
  }

  /** Answers requests from now on. */
  open(answers: Answers): void {
    this.#answers = answers;
    clearInterval(this.#timer);
  }

  /** Answers a request on the socket. Never throws. */
  async request(request: Request): Promise<Response> {
    if (this.#answers) return await this.#answers.request(request);
    // A kubelet parses the answer as JSON: no address is known yet, so it gets none.
    if (new URL(request.url).pathname === "/v1/status") return Response.json({});
    return faultResponse(this.#startingFault());
  }

  /** Executes a verb from the door. Faults: those of the verb; unavailable while the agent starts. */
  async verb(...[verb, pod]: Parameters<Answerer>): ReturnType<Answerer> {
    if (this.#answers) return await this.#answers.verb(verb, pod);
    if (verb === "status") return {};
    throw this.#startingFault();
  }

  /** Executes a CNI call from the door. Faults: unavailable while the agent starts. */
  async cni(input: CniInput): Promise<CniAnswer> {
    if (this.#answers) return await this.#answers.cni(input);
    throw this.#startingFault();
  }

  #startingFault(): Fault {
    return new Fault("unavailable", "agent is starting", {
      why: this.#waitsFor,
      fix: "try again in a moment",
    });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
