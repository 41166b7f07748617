// One connection to a bridge's management socket: flows in, port changes out. Knows what OpenFlow guarantees,
// and nothing about pods.

import { Fault } from "../../util/errors.ts";
import type { CookieSet } from "./cookies.ts";
import type { Flow } from "./flow.ts";
import * as openflow from "./messages.ts";
import { withDeadline } from "../../util/async/deadline.ts";
import { PendingReplies } from "../transport/pending_replies.ts";
import { openUnixStream, type UnixStream } from "../transport/unix_stream.ts";

const SERVER = "ovs-vswitchd";
/** Id of messages that may be rejected without consequence: the flow to delete does not exist. */
const NO_REPLY = 0;

/** Called for each port that was added, changed or removed, after `ports` was updated. */
export type PortListener = (name: string) => void;

/**
 * Connects to `<bridge>.mgmt` at `path`; returns the connection when it has all ports. `first` may send
 * messages that the switch should handle before it lists them.
 */
export async function openOpenFlow(
  path: string,
  { listener, endMs, first = () => {} }: {
    readonly listener: PortListener;
    readonly endMs: number;
    readonly first?: (connection: OpenFlowConnection) => void;
  },
): Promise<OpenFlowConnection> {
  const connection = new OpenFlowConnection(await openUnixStream(path, SERVER), listener);
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

/** An open connection. Messages are handled by the switch in the order in which they are sent. */
export class OpenFlowConnection {
  /** Resolves once, with the reason, when the connection is over. */
  readonly ended: Promise<Fault>;
  /** OpenFlow number of each port that the switch has now, by name. */
  readonly ports = new Map<string, number>();
  readonly #socket: UnixStream;
  readonly #notify: PortListener;
  /** A reply is the number in it, 0 where it has none. */
  readonly #replies: PendingReplies<number>;
  readonly #rejected = new Map<number, Fault>();
  /** Flows of replies whose last part has not come yet, by id. */
  readonly #listed = new Map<number, openflow.ListedFlow[]>();
  #barrier: Promise<unknown> | undefined;
  #nextXid = 1;

  constructor(socket: UnixStream, listener: PortListener) {
    this.#socket = socket;
    this.#notify = listener;
    const stream = new openflow.MessageStream();
    void socket.read((chunk) => stream.push(chunk).forEach((message) => this.#handle(message)));
    this.#replies = new PendingReplies(socket.ended);
    this.ended = this.#replies.ended;
  }

  /** Returns why the connection is over, undefined while it is not. */
  get why(): Fault | undefined {
    return this.#replies.why;
  }

  /** Sends HELLO, which has to be the first message. */
  greet(): void {
    this.#socket.send(openflow.helloMessage(this.#xid()));
  }

  /** Subscribes to port changes, then lists all ports, so that none is missed in between. */
  async learnPorts(endMs: number): Promise<void> {
    this.#socket.send(openflow.watchPortsMessages(NO_REPLY));
    const xid = this.#xid();
    const listed = this.#replies.wait(xid);
    this.#socket.send(openflow.listPortsMessage(xid));
    await withDeadline(endMs, `${SERVER} did not list its ports`, listed);
  }

  /** Sends flows to add. The returned function, called after the next barrier, throws where one was rejected. */
  addFlows(flows: readonly Flow[]): () => void {
    const xid = this.#xid();
    for (const flow of flows) this.#socket.send(openflow.addFlowMessage(xid, flow));
    return () => {
      const fault = this.#rejected.get(xid);
      this.#rejected.delete(xid);
      if (fault) throw fault;
    };
  }

  /** Sends the deletion of all flows under that cookie. */
  deleteFlows(cookie: bigint, mask: bigint): void {
    this.#socket.send(openflow.deleteFlowsMessage(NO_REPLY, cookie, mask));
  }

  /** Returns the number of flows under these cookies; the caller sets the deadline. */
  countFlows({ value, mask }: CookieSet): Promise<number> {
    const xid = this.#xid();
    const counted = this.#replies.wait(xid);
    this.#socket.send(openflow.countFlowsMessage(xid, value, mask));
    return counted;
  }

  /** Returns the flows under these cookies; the caller sets the deadline. */
  async listFlows({ value, mask }: CookieSet): Promise<openflow.ListedFlow[]> {
    const xid = this.#xid();
    const flows: openflow.ListedFlow[] = [];
    this.#listed.set(xid, flows);
    const whole = this.#replies.wait(xid);
    this.#socket.send(openflow.listFlowsMessage(xid, value, mask));
    try {
      await whole;
      return flows;
    } finally {
      this.#listed.delete(xid);
    }
  }

  /** Sends flows to add that a switch has listed. */
  addListedFlows(flows: readonly openflow.ListedFlow[]): void {
    for (const flow of flows) this.#socket.send(openflow.addListedFlowMessage(NO_REPLY, flow));
  }

  /** Sends `frame` as if it had come in by the port `ofport`. */
  sendFrame(ofport: number, frame: Uint8Array): void {
    this.#socket.send(openflow.packetOutMessage(NO_REPLY, ofport, frame));
  }

  /**
   * Resolves when the switch has handled all that was sent before; the caller sets the deadline.
   * Faults: unavailable, when the connection drops.
   */
  barrier(): Promise<unknown> {
    // Callers in the same turn of the event loop share one: all of them have sent before it goes out.
    this.#barrier ??= Promise.resolve().then(() => {
      this.#barrier = undefined;
      const xid = this.#xid();
      const done = this.#replies.wait(xid);
      this.#socket.send(openflow.message(openflow.T.barrierRequest, xid));
      return done;
    });
    return this.#barrier;
  }

  /** Ends the connection; waiting calls fail. Repeatable. */
  close(): void {
    this.#socket.end(
      new Fault("unavailable", `connection to ${SERVER} closed`, { why: "the agent stops" }),
    );
  }

  #handle(message: openflow.Message): void {
    const { type, xid, body } = message;
    const { T } = openflow;
    if (type === T.echoRequest) this.#socket.send(openflow.message(T.echoReply, xid, body));
    else if (type === T.portStatus) this.#takePorts(message);
    else if (type === T.barrierReply) this.#replies.resolve(xid, 0);
    else if (type === T.error) this.#takeError(message);
    else if (type === T.multipartReply) this.#takePart(message);
  }

  #takePart(message: openflow.Message): void {
    const count = openflow.flowCountOf(message);
    const flows = openflow.flowsOf(message);
    if (flows) this.#listed.get(message.xid)?.push(...flows);
    else if (count === undefined) this.#takePorts(message);
    if (!openflow.hasMore(message)) this.#replies.resolve(message.xid, count ?? 0);
  }

  #takePorts(message: openflow.Message): void {
    for (const { name, ofport, isGone } of openflow.portsOf(message)) {
      if (!isGone) this.ports.set(name, ofport);
      else if (this.ports.get(name) === ofport) this.ports.delete(name);
      this.#notify(name);
    }
  }

  #takeError(message: openflow.Message): void {
    const why = openflow.errorText(message);
    const fault = new Fault("failed", `${SERVER} rejected a message`, {
      why,
      fix: "see the log of ovs-vswitchd",
    });
    const wasAwaited = this.#replies.reject(message.xid, fault);
    if (!wasAwaited && message.xid !== NO_REPLY) this.#rejected.set(message.xid, fault);
  }

  #xid(): number {
    this.#nextXid = this.#nextXid % 0xffff_fff0 + 1;
    return this.#nextXid;
  }
}
