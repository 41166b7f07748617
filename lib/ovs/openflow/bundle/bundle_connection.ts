// One connection to a bridge's management socket for nothing but bundles of flows, one after another.
//
// ovs-vswitchd looks at its connections once in a turn of its main loop, which takes the longer the more
// ports there are. ovs-ofctl asks and waits four times (greeting, beginning, flows, end), each time for
// such a turn. Here all of a bundle goes out in one write, into a connection that has been greeted long
// ago: at 500 ports, 8 lines take 48 ms by ovs-ofctl and 4 ms here, 500 lines 123 and 87 ms (Open
// vSwitch 3.1, two cores, 2026-11).
//
// Open vSwitch has a trap for this: a message that it cannot read is refused and left out, but the bundle
// around it stays, and its end brings the rest in force. So the end is sent along only where each message
// is of a form that this switch has taken before; what else can be refused (a table that is full, a
// meter that is not there) is found when all is done, and undoes all. A form that is new is tried first:
// the end goes out when the switch has said that it has read everything, 3 ms later.
//
// The connection is none of the ports': 50 messages of each are read in a turn, and the guards of a pod
// that is set up would wait half a second behind a thousand lines.

import { Fault } from "../../../util/errors.ts";
import type { Kept } from "../../transport/reconnecting.ts";
import { helloMessage, type Message, message, MessageStream, T } from "../messages.ts";
import { timedOut, withDeadline } from "../../../util/async/deadline.ts";
import { openUnixStream, type UnixStream } from "../../transport/unix_stream.ts";
import type { FlowChange } from "./flow_mod.ts";
import {
  addMessage,
  commitMessage,
  discardMessage,
  isCommitted,
  openMessage,
} from "./bundle_messages.ts";
import { refusalOf } from "./openflow_errors.ts";

const WHO = "ovs-vswitchd";
const LATE = `${WHO} did not take a bundle of flows over`;

/** Connects to `<bridge>.mgmt` at `path`; gives the connection when the switch has greeted, too. */
export async function openBundles(path: string, endMs: number): Promise<BundleConnection> {
  const connection = new BundleConnection(await openUnixStream(path, WHO));
  try {
    await withDeadline(endMs, `${WHO} did not greet`, connection.greet());
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

interface Bundle {
  readonly id: number;
  readonly lineByXid: ReadonlyMap<number, string>;
  /** Why the first message of it was refused. */
  refusal?: Fault;
}

/** An open connection. Bundles are done in the order in which they are sent. */
export class BundleConnection implements Kept {
  /** Resolves once, with the reason, when the connection is over. */
  readonly ended: Promise<Fault>;
  readonly #wire: UnixStream;
  readonly #replies = new Map<number, PromiseWithResolvers<void>>();
  readonly #greeted = Promise.withResolvers<void>();
  #underWay: Bundle | undefined;
  /** Forms of messages that this switch can read. */
  readonly #proven = new Set<string>();
  /** Resolves when it is known what became of all bundles so far. */
  #settled: Promise<unknown> = Promise.resolve();
  #nextXid = 1;
  #why: Fault | undefined;

  constructor(wire: UnixStream) {
    this.#wire = wire;
    const stream = new MessageStream();
    void wire.read((chunk) => stream.push(chunk).forEach((one) => this.#handle(one)));
    this.ended = wire.ended.then((why) => {
      this.#why = why;
      for (const { reject } of [this.#greeted, ...this.#replies.values()]) reject(why);
      this.#replies.clear();
      return why;
    });
    this.#greeted.promise.catch(() => {}); // whoever greets is told
  }

  /** Greets the switch; resolves when it has greeted, too. */
  greet(): Promise<void> {
    this.#wire.send(helloMessage(this.#xid()));
    return this.#greeted.promise;
  }

  /** Resolves when it is known what became of all bundles so far. Faults: timeout. */
  async settled(endMs: number): Promise<void> {
    await withDeadline(endMs, `${WHO} did not say what became of a bundle of flows`, this.#settled);
  }

  /**
   * Does all changes, or none of them. Faults: failed, with the reason and the line that was refused;
   * timeout, unavailable: then it may still be done, see `settled`.
   */
  async send(changes: readonly FlowChange[], endMs: number): Promise<void> {
    const startMs = performance.now();
    const before = this.#settled;
    const work = (async () => {
      await before;
      // Nobody waits for it any more.
      if (performance.now() >= endMs) throw timedOut(LATE, endMs - startMs);
      await this.#transact(changes, endMs);
    })();
    this.#settled = work.catch(() => {});
    await withDeadline(endMs, LATE, work);
  }

  /** Ends the connection; what is under way fails. Repeatable. */
  close(): void {
    this.#wire.end(new Fault("unavailable", `${WHO} was left`, { why: "the agent stops" }));
  }

  async #transact(changes: readonly FlowChange[], endMs: number): Promise<void> {
    const numbered = changes.map((change) => ({ ...change, xid: this.#xid() }));
    const lineByXid = new Map(numbered.map(({ xid, line }) => [xid, line]));
    const bundle: Bundle = { id: this.#xid(), lineByXid };
    const { id } = bundle;
    this.#underWay = bundle;
    this.#wire.send(openMessage(id, id));
    for (const { xid, message } of numbered) this.#wire.send(addMessage(xid, id, message));
    if (!changes.every(({ form }) => this.#proven.has(form))) await this.#try(bundle, endMs);
    try {
      await this.#ask((xid) => commitMessage(xid, id));
    } catch (error) {
      // Which of its messages it is, was said before.
      throw this.#why ?? bundle.refusal ?? error;
    }
    if (bundle.refusal) this.#proven.clear();
    if (bundle.refusal) throw bundle.refusal;
    for (const { form } of changes) this.#proven.add(form);
  }

  /** Resolves when the switch has read all messages of the bundle; if it refused one, nothing is done. */
  async #try(bundle: Bundle, endMs: number): Promise<void> {
    const startMs = performance.now();
    await this.#ask((xid) => message(T.barrierRequest, xid));
    const isLate = performance.now() >= endMs;
    const fault = bundle.refusal ?? (isLate ? timedOut(LATE, endMs - startMs) : undefined);
    if (!fault) return;
    this.#wire.send(discardMessage(this.#xid(), bundle.id));
    throw fault;
  }

  #ask(make: (xid: number) => Uint8Array): Promise<void> {
    if (this.#why) return Promise.reject(this.#why);
    const xid = this.#xid();
    const reply = Promise.withResolvers<void>();
    this.#replies.set(xid, reply);
    this.#wire.send(make(xid));
    return reply.promise;
  }

  #handle(one: Message): void {
    const { type, xid, body } = one;
    if (type === T.echoRequest) this.#wire.send(message(T.echoReply, xid, body));
    else if (type === T.hello) this.#greeted.resolve();
    else if (type === T.error) this.#takeError(one);
    else if (type === T.barrierReply || isCommitted(one)) this.#take(xid)?.resolve();
  }

  #takeError(one: Message): void {
    const { xid } = one;
    const bundle = this.#underWay;
    const line = bundle?.lineByXid.get(xid);
    const reason = refusalOf(one);
    const fault = refused(line === undefined ? reason : `${reason} for "${line}"`);
    this.#greeted.reject(fault); // it speaks another version; after its greeting this says nothing
    if (bundle && (line !== undefined || xid === bundle.id)) bundle.refusal ??= fault;
    else this.#take(xid)?.reject(fault);
  }

  #take(xid: number): PromiseWithResolvers<void> | undefined {
    const reply = this.#replies.get(xid);
    this.#replies.delete(xid);
    return reply;
  }

  #xid(): number {
    this.#nextXid = this.#nextXid % 0xffff_fff0 + 1;
    return this.#nextXid;
  }
}

function refused(why: string): Fault {
  return new Fault("failed", `${WHO} refused a bundle of flows`, {
    why,
    fix: "see its log for what it says beside",
  });
}
