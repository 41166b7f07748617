// One connection to a bridge's management socket: flows in, ports out. Knows what OpenFlow promises,
// and nothing of pods.

import { Fault } from "../../util/errors.ts";
import type { CookieSet } from "./cookies.ts";
import type { Flow } from "./flow.ts";
import * as openflow from "./messages.ts";
import { withDeadline } from "../../util/async/deadline.ts";
import { openUnixStream, type UnixStream } from "../transport/unix_stream.ts";

const WHO = "ovs-vswitchd";
/** Id of messages whose refusal has no consequence: what is to be deleted is not there. */
const NO_REPLY = 0;

/** Called for each port that came, changed or went, after `ports` tells so. */
export type PortRing = (name: string) => void;

/**
 * Connects to `<bridge>.mgmt` at `path`; gives the connection when it knows all ports. `first` may send
 * what the switch shall do before it lists them.
 */
export async function openOpenFlow(
  path: string,
  { ring, endMs, first = () => {} }: {
    readonly ring: PortRing;
    readonly endMs: number;
    readonly first?: (connection: OpenFlowConnection) => void;
  },
): Promise<OpenFlowConnection> {
  const connection = new OpenFlowConnection(await openUnixStream(path, WHO), ring);
  try {
    connection.greet();
    first(connection);
    await connection.learnPorts(endMs);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

interface Waiting {
  /** Takes the number that the reply tells, where it tells one. */
  readonly resolve: (count: number) => void;
  readonly reject: (fault: Fault) => void;
}

/** An open connection. Messages are handled by the switch in the order in which they are sent. */
export class OpenFlowConnection {
  /** Resolves once, with the reason, when the connection is over. */
  readonly ended: Promise<Fault>;
  /** OpenFlow number of each port that the switch has now, by name. */
  readonly ports = new Map<string, number>();
  readonly #wire: UnixStream;
  readonly #ring: PortRing;
  readonly #replies = new Map<number, Waiting>();
  readonly #refused = new Map<number, Fault>();
  #barrier: Promise<unknown> | undefined;
  #nextXid = 1;
  #why: Fault | undefined;

  constructor(wire: UnixStream, ring: PortRing) {
    this.#wire = wire;
    this.#ring = ring;
    const stream = new openflow.MessageStream();
    void wire.read((chunk) => stream.push(chunk).forEach((message) => this.#handle(message)));
    this.ended = wire.ended.then((why) => {
      this.#why = why;
      this.#replies.forEach(({ reject }) => reject(why));
      this.#replies.clear();
      return why;
    });
  }

  /** Returns why the connection is over, undefined while it is not. */
  get why(): Fault | undefined {
    return this.#why;
  }

  /** Greets the switch; nothing is sent before. */
  greet(): void {
    this.#wire.send(openflow.helloMessage(this.#xid()));
  }

  /** Asks for port changes, then for all ports, so that none is missed between. */
  async learnPorts(endMs: number): Promise<void> {
    this.#wire.send(openflow.watchPortsMessages(NO_REPLY));
    const xid = this.#xid();
    const listed = this.#reply(xid);
    this.#wire.send(openflow.listPortsMessage(xid));
    await withDeadline(endMs, `${WHO} gave no list of its ports`, listed);
  }

  /** Sends flows to add. What it gives throws, after the next barrier, where one was refused. */
  addFlows(flows: readonly Flow[]): () => void {
    const xid = this.#xid();
    for (const flow of flows) this.#wire.send(openflow.addFlowMessage(xid, flow));
    return () => {
      const fault = this.#refused.get(xid);
      this.#refused.delete(xid);
      if (fault) throw fault;
    };
  }

  /** Sends the deletion of all flows under that cookie. */
  deleteFlows(cookie: bigint, mask: bigint): void {
    this.#wire.send(openflow.deleteFlowsMessage(NO_REPLY, cookie, mask));
  }

  /** Asks how many flows there are under these cookies; the limit is the caller's. */
  countFlows({ value, mask }: CookieSet): Promise<number> {
    const xid = this.#xid();
    const counted = this.#reply(xid);
    this.#wire.send(openflow.countFlowsMessage(xid, value, mask));
    return counted;
  }

  /** Sends `frame` as if it had come in by the port `ofport`. */
  sendFrame(ofport: number, frame: Uint8Array): void {
    this.#wire.send(openflow.packetOutMessage(NO_REPLY, ofport, frame));
  }

  /**
   * Resolves when the switch has done all that was sent before; the limit is the caller's.
   * Faults: unavailable, when the connection drops.
   */
  barrier(): Promise<unknown> {
    // Whoever asks in the same turn shares one: all of them have sent before it goes out.
    this.#barrier ??= Promise.resolve().then(() => {
      this.#barrier = undefined;
      const xid = this.#xid();
      const done = this.#reply(xid);
      this.#wire.send(openflow.message(openflow.T.barrierRequest, xid));
      return done;
    });
    return this.#barrier;
  }

  /** Ends the connection; waiting calls fail. Repeatable. */
  close(): void {
    this.#wire.end(new Fault("unavailable", `${WHO} was left`, { why: "the agent stops" }));
  }

  #handle(message: openflow.Message): void {
    const { type, xid, body } = message;
    const { T } = openflow;
    if (type === T.echoRequest) this.#wire.send(openflow.message(T.echoReply, xid, body));
    else if (type === T.portStatus) this.#takePorts(message);
    else if (type === T.barrierReply) this.#resolve(xid);
    else if (type === T.error) this.#takeError(message);
    else if (type === T.multipartReply) this.#takePart(message);
  }

  #takePart(message: openflow.Message): void {
    const count = openflow.flowCountOf(message);
    if (count === undefined) this.#takePorts(message);
    if (!openflow.hasMore(message)) this.#resolve(message.xid, count);
  }

  #takePorts(message: openflow.Message): void {
    for (const { name, ofport, isGone } of openflow.portsOf(message)) {
      if (!isGone) this.ports.set(name, ofport);
      else if (this.ports.get(name) === ofport) this.ports.delete(name);
      this.#ring(name);
    }
  }

  #takeError(message: openflow.Message): void {
    const why = openflow.errorText(message);
    const fault = new Fault("failed", `${WHO} refused a message`, {
      why,
      fix: "see its log for what it says beside",
    });
    const waiting = this.#replies.get(message.xid);
    this.#replies.delete(message.xid);
    if (waiting) waiting.reject(fault);
    else if (message.xid !== NO_REPLY) this.#refused.set(message.xid, fault);
  }

  #resolve(xid: number, count = 0): void {
    this.#replies.get(xid)?.resolve(count);
    this.#replies.delete(xid);
  }

  #reply(xid: number): Promise<number> {
    if (this.#why) return Promise.reject(this.#why);
    return new Promise((resolve, reject) => this.#replies.set(xid, { resolve, reject }));
  }

  #xid(): number {
    this.#nextXid = this.#nextXid % 0xffff_fff0 + 1;
    return this.#nextXid;
  }
}
