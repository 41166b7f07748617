// The few OpenFlow 1.3 messages that we use, as bytes. Pure. Numbers are those of the "OpenFlow Switch
// Specification 1.3.5", §7; names in capitals are its names without OFP.

import { bytes, ipv4Bytes, macBytes, u16, u32, u64, u8, viewOf } from "../transport/bytes.ts";
import { actionBytes, fieldHeader, outputAction } from "./action_bytes.ts";
import { type Flow, isList, type Match, POLICY_TABLE } from "./flow.ts";

const VERSION = 4;

/** Message types. */
export const T = {
  hello: 0,
  error: 1,
  echoRequest: 2,
  echoReply: 3,
  experimenter: 4,
  setConfig: 9,
  packetIn: 10,
  portStatus: 12,
  packetOut: 13,
  flowMod: 14,
  multipartRequest: 18,
  multipartReply: 19,
  barrierRequest: 20,
  barrierReply: 21,
  setAsync: 28,
} as const;

const [PORT_ANY, GROUP_ANY, NO_BUFFER] = [0xffff_ffff, 0xffff_ffff, 0xffff_ffff];
/** Port number that means: forward as a learning switch does. */
const PORT_NORMAL = 0xffff_fffa;
/** Highest number of a real port; above it are the reserved ones. */
const PORT_MAX = 0xffff_ff00;
const [FLOW, AGGREGATE, PORT_DESC] = [1, 2, 13];
const ALL_TABLES = 0xff;
const PORT_BYTES = 64;
/** Bytes of a listed flow before its match. */
const FLOW_HEAD_BYTES = 48;
const HEADER_BYTES = 8;

/** A message without its header. */
export interface Message {
  readonly type: number;
  readonly xid: number;
  readonly body: Uint8Array;
}

/** A port as the switch reports it: number and name, and whether it was removed. */
export interface SwitchPort {
  readonly ofport: number;
  readonly name: string;
  readonly isGone: boolean;
}

/** Returns a whole message. */
export function message(type: number, xid: number, ...body: readonly Uint8Array[]): Uint8Array {
  const size = body.reduce((sum, part) => sum + part.length, HEADER_BYTES);
  return bytes(u8(VERSION), u8(type), u16(size), u32(xid), ...body);
}

/** Returns a HELLO that offers version 1.3 only. */
export function helloMessage(xid: number): Uint8Array {
  return message(T.hello, xid, u16(1), u16(8), u32(1 << VERSION));
}

/**
 * Returns the two messages that subscribe to port changes: a connection to `<bridge>.mgmt` gets
 * asynchronous messages only after a miss_send_len other than zero; all but port status is masked out.
 */
export function watchPortsMessages(xid: number): Uint8Array {
  const allReasons = u32(0b111);
  return bytes(
    message(T.setAsync, xid, u32(0), u32(0), allReasons, allReasons, u32(0), u32(0)),
    message(T.setConfig, xid, u16(0), u16(128)),
  );
}

/** Returns the request for all ports. */
export function listPortsMessage(xid: number): Uint8Array {
  return message(T.multipartRequest, xid, u16(PORT_DESC), u16(0), u32(0));
}

/** Returns the request for the number of flows with a cookie that matches `value` under `mask`. */
export function countFlowsMessage(xid: number, value: bigint, mask: bigint): Uint8Array {
  return flowsRequest(AGGREGATE, xid, { value, mask });
}

/** Returns the request for the flows with a cookie that matches `value` under `mask`. */
export function listFlowsMessage(xid: number, value: bigint, mask: bigint): Uint8Array {
  return flowsRequest(FLOW, xid, { value, mask });
}

/** Returns the number of flows in an AGGREGATE reply; undefined for any other message. */
export function flowCountOf({ type, body }: Message): number | undefined {
  if (type !== T.multipartReply || viewOf(body).getUint16(0) !== AGGREGATE) return undefined;
  return viewOf(body).getUint32(8 + 16); // after packets and bytes
}

/** A flow as the switch lists it, without its counters and timeouts. */
export interface ListedFlow {
  readonly table: number;
  readonly priority: number;
  readonly cookie: bigint;
  /** Match and instructions as bytes, which also a FLOW_MOD has at its end. */
  readonly rest: Uint8Array;
}

/** Returns the flows of a FLOW reply; undefined for any other message. */
export function flowsOf({ type, body }: Message): ListedFlow[] | undefined {
  const view = viewOf(body);
  if (type !== T.multipartReply || view.getUint16(0) !== FLOW) return undefined;
  const flows: ListedFlow[] = [];
  for (let at = 8, size; at + FLOW_HEAD_BYTES <= body.length; at += size) {
    size = Math.max(view.getUint16(at), FLOW_HEAD_BYTES);
    flows.push({
      table: view.getUint8(at + 2),
      priority: view.getUint16(at + 12),
      cookie: view.getBigUint64(at + 24),
      rest: body.subarray(at + FLOW_HEAD_BYTES, at + size),
    });
  }
  return flows;
}

/** Returns the message that adds a flow which a switch has listed. */
export function addListedFlowMessage(xid: number, { rest, ...head }: ListedFlow): Uint8Array {
  return flowModMessage(xid, { command: 0, mask: 0n, ...head }, [rest]);
}

/** Returns the message that adds `flow`, in place of one with the same match and priority. */
export function addFlowMessage(xid: number, flow: Flow): Uint8Array {
  return flowModMessage(
    xid,
    {
      ...{ command: 0, table: flow.table ?? 0, priority: flow.priority },
      ...{ cookie: flow.cookie, mask: 0n },
    },
    [matchBytes(flow.match), ...instructions(flow.action)],
  );
}

/** Returns the message that deletes all flows with that cookie, in all tables. */
export function deleteFlowsMessage(xid: number, cookie: bigint, mask: bigint): Uint8Array {
  const head = { command: 3, table: ALL_TABLES, cookie, mask, priority: 0 };
  return flowModMessage(xid, head, [matchBytes({})]);
}

/** Returns the message that sends `frame` as if it had come in by port `inPort`. */
export function packetOutMessage(xid: number, inPort: number, frame: Uint8Array): Uint8Array {
  const action = outputAction(PORT_NORMAL);
  const head = [u32(NO_BUFFER), u32(inPort), u16(action.length), u16(0), u32(0)];
  return message(T.packetOut, xid, ...head, action, frame);
}

/** Returns the ports of a PORT_STATUS or of a PORT_DESC reply. */
export function portsOf({ type, body }: Message): SwitchPort[] {
  const start = 8; // reason or kind of multipart, and padding
  const isGone = type === T.portStatus && body[0] === 1;
  const view = viewOf(body);
  const found: SwitchPort[] = [];
  for (let at = start; at + PORT_BYTES <= body.length; at += PORT_BYTES) {
    const ofport = view.getUint32(at);
    const name = new TextDecoder().decode(body.subarray(at + 16, at + 32)).split("\0")[0]!;
    if (ofport < PORT_MAX) found.push({ ofport, name, isGone });
  }
  return found;
}

/** Reports whether more parts of the same reply follow. */
export function hasMore({ type, body }: Message): boolean {
  return type === T.multipartReply && (viewOf(body).getUint16(2) & 1) === 1;
}

/** Returns type and code of an ERROR, as `4/9`; their names are in §7.4.4 of the specification. */
export function errorText({ body }: Message): string {
  const view = viewOf(body);
  return `OpenFlow error ${view.getUint16(0)}/${view.getUint16(2)}`;
}

/** Splits a stream of bytes into messages. */
export class MessageStream {
  #rest: Uint8Array = new Uint8Array(0);

  /** Takes the next bytes and returns the messages that are complete now. */
  push(chunk: Uint8Array): Message[] {
    const all = this.#rest.length === 0 ? chunk : bytes(this.#rest, chunk);
    const view = viewOf(all);
    const whole: Message[] = [];
    let at = 0;
    while (at + HEADER_BYTES <= all.length) {
      // A length below the header's own would never end; take the header alone.
      const size = Math.max(view.getUint16(at + 2), HEADER_BYTES);
      if (at + size > all.length) break;
      const body = all.slice(at + HEADER_BYTES, at + size);
      whole.push({ type: all[at + 1]!, xid: view.getUint32(at + 4), body });
      at += size;
    }
    this.#rest = all.slice(at);
    return whole;
  }
}

function flowsRequest(
  kind: number,
  xid: number,
  { value, mask }: { readonly value: bigint; readonly mask: bigint },
): Uint8Array {
  const where = [u8(ALL_TABLES), new Uint8Array(3), u32(PORT_ANY), u32(GROUP_ANY), u32(0)];
  const head = [u16(kind), u16(0), u32(0)];
  return message(T.multipartRequest, xid, ...head, ...where, u64(value), u64(mask), matchBytes({}));
}

/** The part of a FLOW_MOD before match and instructions. */
interface FlowModHead {
  readonly command: number;
  readonly table: number;
  readonly cookie: bigint;
  readonly mask: bigint;
  readonly priority: number;
}

/** Returns a FLOW_MOD without timeouts and flags. */
function flowModMessage(
  xid: number,
  head: FlowModHead,
  rest: readonly Uint8Array[],
): Uint8Array {
  return message(
    T.flowMod,
    xid,
    ...[
      u64(head.cookie),
      u64(head.mask),
      u8(head.table),
      u8(head.command),
      u32(0),
      u16(head.priority),
    ],
    ...[u32(NO_BUFFER), u32(PORT_ANY), u32(GROUP_ANY), u16(0), u16(0)],
    ...rest,
  );
}

function instructions(action: Flow["action"]): Uint8Array[] {
  if (action === "drop") return [];
  if (action === "NORMAL") return [applyActions(outputAction(PORT_NORMAL))];
  if (isList(action)) return [applyActions(actionBytes(action))];
  const goto = bytes(u16(1), u16(8), u8(POLICY_TABLE), u8(0), u16(0));
  return [applyActions(actionBytes([{ set: "reg0", value: action.tag }])), goto];
}

// Fields in the order in which ovs-ofctl sends them; prerequisites of a field come before it.
function matchBytes(match: Match): Uint8Array {
  const { inPort, ethSrc, ethDst, untagged, ipv4Src, ipv4Dst, arp, udpSrc, reg0 } = match;
  const isIpv4 = [ipv4Src, ipv4Dst, udpSrc].some((one) => one !== undefined);
  const ethType = arp ? 0x0806 : isIpv4 ? 0x0800 : undefined;
  const fields = bytes(
    ...(inPort === undefined ? [] : [oxm(0, u32(inPort))]),
    ...(ethDst === undefined ? [] : [oxm(3, macBytes(ethDst))]),
    ...(ethSrc === undefined ? [] : [oxm(4, macBytes(ethSrc))]),
    ...(ethType === undefined ? [] : [oxm(5, u16(ethType))]),
    ...(untagged ? [oxm(6, u16(0))] : []),
    ...(ipv4Src === undefined ? [] : [oxm(11, ipv4Bytes(ipv4Src))]),
    ...(ipv4Dst === undefined ? [] : [oxm(12, ipv4Bytes(ipv4Dst))]),
    ...(udpSrc === undefined ? [] : [oxm(10, u8(17)), oxm(15, u16(udpSrc))]),
    ...(arp ? arpFields(arp) : []),
    ...(reg0 === undefined ? [] : [fieldHeader("reg0"), u32(reg0)]),
  );
  return matchOf(fields);
}

function arpFields({ spa, sha, asksFor }: NonNullable<Match["arp"]>): Uint8Array[] {
  return [
    ...(asksFor === undefined ? [] : [oxm(21, u16(1))]),
    ...(spa === undefined ? [] : [oxm(22, ipv4Bytes(spa))]),
    ...(asksFor === undefined ? [] : [oxm(23, ipv4Bytes(asksFor))]),
    ...(sha === undefined ? [] : [oxm(24, macBytes(sha))]),
  ];
}

function oxm(field: number, value: Uint8Array): Uint8Array {
  return bytes(u16(0x8000), u8(field << 1), u8(value.length), value);
}

/** Returns a match of encoded fields. */
function matchOf(fields: Uint8Array): Uint8Array {
  const size = 4 + fields.length;
  return bytes(u16(1), u16(size), fields, new Uint8Array(-size & 7));
}

/** Returns the instruction that applies these actions immediately. */
function applyActions(...actions: readonly Uint8Array[]): Uint8Array {
  const size = actions.reduce((sum, action) => sum + action.length, 8);
  return bytes(u16(4), u16(size), u32(0), ...actions);
}
