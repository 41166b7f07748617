// All members of one etcd cluster: asks the member that answered last and moves to the next one when it
// does not answer, logs in again when etcd has lost our token, and checks that the cluster stays the same.

import { Fault } from "../../util/errors.ts";
import { closedFault, etcdFault, otherClusterFault } from "./etcd_faults.ts";
import { readPassword } from "./etcd_url.ts";
import {
  CODE,
  type EtcdRequest,
  type EtcdResponse,
  type Header,
  type Method,
  type Transport,
  TransportError,
} from "./transport.ts";

/** One member and the transport to it. */
export interface Member {
  readonly endpoint: string;
  readonly transport: Transport;
}

/** The user that logs in, if etcd has users. */
export interface Login {
  readonly user: string;
  readonly passwordFile: string;
}

// Pause between two tries, such as while the cluster elects a leader.
const PAUSE_MS = 40;

/** Thrown where a call may or may not have been done, and the member no longer answers. */
export class OutcomeUnknown extends Error {
  override readonly name = "Undecided";
}

/** A cluster of one or more members. */
export class EtcdCluster {
  readonly members: readonly Member[];
  /** A call without an answer faults after this. */
  readonly limitMs: number;
  readonly #login: Login | undefined;
  #at = 0;
  #id: string | undefined;
  #token: Promise<string> | undefined;
  readonly #closing = new AbortController();
  readonly #waiting = new Set<() => void>();

  constructor(members: readonly Member[], login: Login | undefined, limitMs: number) {
    this.members = members;
    this.#login = login;
    this.limitMs = limitMs;
  }

  /** Time limit of one try with one member: leaves enough time to try each of the others. */
  get tryMs(): number {
    return this.limitMs / (this.members.length + 1);
  }

  /** The member to ask first. */
  get current(): Member {
    return this.members[this.#at]!;
  }

  /**
   * Asks until a member answers, at most until `until`. Only for requests that may be repeated. Faults:
   * unavailable (all members are down, or it was refused), timeout.
   */
  ask(method: Method, request: EtcdRequest, until = this.deadline()): Promise<EtcdResponse> {
    return this.#ask(method, request, until, false);
  }

  /** Asks once. Throws OutcomeUnknown if it may have been done; faults if it was not done. */
  askOnce(method: Method, request: EtcdRequest, until: number): Promise<EtcdResponse> {
    return this.#ask(method, request, until, true);
  }

  /** Returns when a call that begins now must end, in performance.now()'s time. */
  deadline(): number {
    return performance.now() + this.limitMs;
  }

  /** Returns a token; undefined without a login. */
  async token(member: Member): Promise<string | undefined> {
    if (!this.#login) return undefined;
    this.#token ??= this.#logIn(this.#login, member);
    try {
      return await this.#token;
    } catch (error) {
      this.#token = undefined;
      throw error;
    }
  }

  /** Records what failed at `member`: the next call uses another member or logs in again. */
  recordFailure(member: Member, error: TransportError): void {
    if (error.needsLogin) this.#token = undefined;
    else if (member === this.current) this.#at = (this.#at + 1) % this.members.length;
  }

  /** Faults if an answer of `member` comes from another cluster than the first answer did. */
  checkCluster(member: Member, header: Header | null | undefined): void {
    const id = header?.["cluster_id"];
    if (id === undefined) return;
    this.#id ??= id;
    if (id !== this.#id) throw otherClusterFault(member.endpoint, this.#id, id);
  }

  /** Calls `wake` with each message of a watch; returns what takes that back. */
  onWatchMessage(wake: () => void): Disposable {
    this.#waiting.add(wake);
    return { [Symbol.dispose]: () => void this.#waiting.delete(wake) };
  }

  /**
   * Notes that a watch has got a message: others that wait to try again need not wait longer. An answer to a call says
   * nothing of watches.
   */
  noteWatchMessage(): void {
    for (const wake of this.#waiting) wake();
  }

  /** Aborts when the cluster is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Faults once the cluster is closed. */
  throwIfClosed(): void {
    if (this.closing.aborted) throw closedFault();
  }

  /** Ends all calls. */
  close(): void {
    this.#closing.abort();
    for (const { transport } of this.members) transport.close();
  }

  async #ask(
    method: Method,
    request: EtcdRequest,
    until: number,
    once: boolean,
  ): Promise<EtcdResponse> {
    let unreachable = 0;
    let reported: TransportError | undefined;
    for (let tries = 1;; tries++) {
      const member = this.current;
      const isShortened = until - performance.now() < this.tryMs;
      try {
        const response = await this.#try(member, method, request, until);
        this.checkCluster(member, response.header);
        return response;
      } catch (error) {
        if (!(error instanceof TransportError)) throw error;
        unreachable = error.isUnsent ? unreachable + 1 : 0;
        // That a try with less than its full time was late means nothing.
        if (!reported || !isShortened || error.code !== CODE.deadlineExceeded) reported = error;
        await this.#throwUnlessRetryable(member, error, {
          tries,
          unreachable,
          until,
          once,
          reported,
        });
      }
    }
  }

  async #try(
    member: Member,
    method: Method,
    request: EtcdRequest,
    until: number,
  ): Promise<EtcdResponse> {
    this.throwIfClosed();
    const token = await this.token(member);
    const limitMs = Math.min(this.tryMs, until - performance.now());
    if (limitMs <= 0) {
      throw new TransportError(CODE.deadlineExceeded, "did not answer in time", true);
    }
    return await member.transport.call(method, request, { token, limitMs });
  }

  // Returns if another try makes sense; otherwise throws what to report.
  async #throwUnlessRetryable(
    member: Member,
    error: TransportError,
    attempt: Attempt,
  ): Promise<void> {
    const { tries, unreachable, until, once, reported } = attempt;
    this.throwIfClosed();
    this.recordFailure(member, error);
    if (once && error.isOutcomeUnknown) throw new OutcomeUnknown(error.message, { cause: error });
    const areAllDown = unreachable >= this.members.length;
    const isOver = performance.now() + PAUSE_MS >= until;
    const relogin = error.needsLogin && this.#login !== undefined && tries < MAX_LOGINS;
    if (isOver || !(relogin || error.isTransient) || areAllDown) {
      throw etcdFault(member, reported, this.limitMs);
    }
    if (!error.isUnsent) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }

  async #logIn({ user, passwordFile }: Login, member: Member): Promise<string> {
    // Read at each login: a new password needs no restart.
    const password = await readPassword(passwordFile);
    const options = { token: undefined, limitMs: this.tryMs };
    const request = { name: user, password };
    try {
      const { token, header } = await member.transport.call("auth/authenticate", request, options);
      this.checkCluster(member, header);
      if (token) return token;
    } catch (error) {
      // The request that needs the login has not been sent.
      throw error instanceof TransportError
        ? new TransportError(error.code, error.message, true, error)
        : error;
    }
    throw new Fault("unavailable", `etcd at ${member.endpoint} returned no token`);
  }
}

interface Attempt {
  readonly tries: number;
  /** How many members in a row could not be reached at all. */
  readonly unreachable: number;
  readonly until: number;
  readonly once: boolean;
  /** The error to report if this was the last try. */
  readonly reported: TransportError;
}

// A token is lost when its member restarts; one that is refused again and again is refused for a reason.
const MAX_LOGINS = 10;
