// All members as one: asks the one that answered last, goes to the next when it does not, logs in
// again when etcd has forgotten us, and makes sure that it is the same cluster all the time.

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

/** One member and the way to it. */
export interface Member {
  readonly endpoint: string;
  readonly transport: Transport;
}

/** Who logs in, when etcd has users. */
export interface Login {
  readonly user: string;
  readonly passwordFile: string;
}

// How long to leave a cluster alone that is between two leaders.
const PAUSE_MS = 40;

/** Thrown where a call may have happened or not, after the member was left. */
export class OutcomeUnknown extends Error {
  override readonly name = "Undecided";
}

/** A cluster of one or more members. */
export class EtcdCluster {
  readonly members: readonly Member[];
  /** A call that gets no answer faults after this. */
  readonly limitMs: number;
  readonly #login: Login | undefined;
  #at = 0;
  #id: string | undefined;
  #token: Promise<string> | undefined;
  readonly #closing = new AbortController();

  constructor(members: readonly Member[], login: Login | undefined, limitMs: number) {
    this.members = members;
    this.#login = login;
    this.limitMs = limitMs;
  }

  /** Most time for one try with one member: what is left is enough for each other one. */
  get tryMs(): number {
    return this.limitMs / (this.members.length + 1);
  }

  /** The member to ask first. */
  get current(): Member {
    return this.members[this.#at]!;
  }

  /**
   * Asks until somebody answers, at most until `until`. Only for what may be asked twice. Faults:
   * unavailable (all are down, or refused), timeout.
   */
  ask(method: Method, question: EtcdRequest, until = this.deadline()): Promise<EtcdResponse> {
    return this.#ask(method, question, until, false);
  }

  /** Asks just once. Throws Undecided where it may have happened; faults where it did not. */
  askOnce(method: Method, question: EtcdRequest, until: number): Promise<EtcdResponse> {
    return this.#ask(method, question, until, true);
  }

  /** Returns the end of a call that begins now, by the clock of performance. */
  deadline(): number {
    return performance.now() + this.limitMs;
  }

  /** Returns a token, undefined where nobody logs in. */
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

  /** Takes note of what went wrong with `member`: the next call goes elsewhere or logs in again. */
  recordFailure(member: Member, error: TransportError): void {
    if (error.needsLogin) this.#token = undefined;
    else if (member === this.current) this.#at = (this.#at + 1) % this.members.length;
  }

  /** Faults where an answer of `member` comes from another cluster than the first one did. */
  checkCluster(member: Member, header: Header | null | undefined): void {
    const id = header?.["cluster_id"];
    if (id === undefined) return;
    this.#id ??= id;
    if (id !== this.#id) throw otherClusterFault(member.endpoint, this.#id, id);
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
    for (const { transport: wire } of this.members) wire.close();
  }

  async #ask(
    method: Method,
    question: EtcdRequest,
    until: number,
    once: boolean,
  ): Promise<EtcdResponse> {
    let unsent = 0;
    let told: TransportError | undefined;
    for (let tries = 1;; tries++) {
      const member = this.current;
      const isCut = until - performance.now() < this.tryMs;
      try {
        const answer = await this.#try(member, method, question, until);
        this.checkCluster(member, answer.header);
        return answer;
      } catch (error) {
        if (!(error instanceof TransportError)) throw error;
        unsent = error.isUnsent ? unsent + 1 : 0;
        // Of a try that had not its full time, that it was late says nothing.
        if (!told || !isCut || error.code !== CODE.deadlineExceeded) told = error;
        await this.#mayGoOn(member, error, { tries, unsent, until, once, told });
      }
    }
  }

  async #try(
    member: Member,
    method: Method,
    question: EtcdRequest,
    until: number,
  ): Promise<EtcdResponse> {
    this.throwIfClosed();
    const token = await this.token(member);
    const limitMs = Math.min(this.tryMs, until - performance.now());
    if (limitMs <= 0) {
      throw new TransportError(CODE.deadlineExceeded, "gave no answer in time", true);
    }
    return await member.transport.call(method, question, { token, limitMs });
  }

  // Returns where another try makes sense, and throws what to say otherwise.
  async #mayGoOn(member: Member, error: TransportError, round: Round): Promise<void> {
    const { tries, unsent, until, once, told } = round;
    this.throwIfClosed();
    this.recordFailure(member, error);
    if (once && error.isOutcomeUnknown) throw new OutcomeUnknown(error.message, { cause: error });
    const areAllDown = unsent >= this.members.length;
    const isOver = performance.now() + PAUSE_MS >= until;
    const relogin = error.needsLogin && this.#login !== undefined && tries < MOST_LOGINS;
    if (isOver || !(relogin || error.isTransient) || areAllDown) {
      throw etcdFault(member.endpoint, told, this.limitMs);
    }
    if (!error.isUnsent) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }

  async #logIn({ user, passwordFile }: Login, member: Member): Promise<string> {
    // Read each time: a new password needs no restart.
    const password = await readPassword(passwordFile);
    const options = { token: undefined, limitMs: this.tryMs };
    const question = { name: user, password };
    try {
      const { token, header } = await member.transport.call("auth/authenticate", question, options);
      this.checkCluster(member, header);
      if (token) return token;
    } catch (error) {
      // What was to follow the login has not been sent.
      throw error instanceof TransportError
        ? new TransportError(error.code, error.message, true, error)
        : error;
    }
    throw new Fault("unavailable", `etcd at ${member.endpoint} gave no token`);
  }
}

interface Round {
  readonly tries: number;
  /** So many members in a row could not be reached at all. */
  readonly unsent: number;
  readonly until: number;
  readonly once: boolean;
  /** What to say when it was the last try. */
  readonly told: TransportError;
}

// A token is lost with its member; one that is refused again and again is refused for a reason.
const MOST_LOGINS = 10;
