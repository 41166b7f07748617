// Hears of packets that flows drop and tell of. The switch itself limits how many: the meter stands
// before the telling, in the datapath, so that a flood reaches neither ovs-vswitchd nor us. It has a
// connection of its own, under an id of its own: no other connection gets these packets, and a
// backlog of them delays no port.

import { Fault } from "../../util/errors.ts";
import { type Kept, Reconnecting } from "../transport/reconnecting.ts";
import * as openflow from "../openflow/messages.ts";
import { hearPacketsMessages, type PacketIn, packetInOf } from "../openflow/packet_in.ts";
import type { SwitchOptions } from "../switch.ts";
import type { OvsTools } from "../transport/ovs_tools.ts";
import { openUnixStream } from "../transport/unix_stream.ts";

const WHO = "ovs-vswitchd";
/** "k8": our meter and our controller id, on a bridge that is ours. */
const OUR_ID = 0x6b38;
const PER_SECOND = 100;
const METER =
  `meter=${OUR_ID},pktps,burst,bands=type=drop,rate=${PER_SECOND},burst_size=${PER_SECOND}`;

/** Packets that are surely told in any stretch of time; of more, the switch may leave some out. */
export const SURELY_TOLD = PER_SECOND;

/** Actions that drop a packet, and tell of it as far as the meter lets them. */
export const TELL_AND_DROP = `meter:${OUR_ID},controller(max_len=0,id=${OUR_ID})`;

/** Makes the meter as it should be. Repeatable. Faults: failed, where the datapath has none. */
export async function ensureMeter(tools: OvsTools, endMs: number): Promise<void> {
  try {
    await tools.ofctl("add-meter", [METER], { endMs });
  } catch (error) {
    if (!(error instanceof Fault) || !error.why?.includes("METER_EXISTS")) throw error;
    await tools.ofctl("mod-meter", [METER], { endMs });
  }
}

/** Removes the meter, and with it the flows that still use it. Repeatable. */
export async function removeMeter(tools: OvsTools, endMs: number): Promise<void> {
  await tools.ofctl("del-meter", [`meter=${OUR_ID}`], { endMs });
}

/** Hands to `take` each packet that TELL_AND_DROP tells of, until it is disposed; it connects by itself. */
export function watchDrops(
  { rundir, bridge }: Pick<SwitchOptions, "rundir" | "bridge">,
  take: (packet: PacketIn) => void,
): Disposable {
  return new Reconnecting({
    open: () => openDropConnection(`${rundir}/${bridge}.mgmt`, take),
    onReady: () => {},
    onLost: () => {},
  });
}

async function openDropConnection(path: string, take: (packet: PacketIn) => void): Promise<Kept> {
  const wire = await openUnixStream(path, WHO);
  const stream = new openflow.MessageStream();
  const handle = (message: openflow.Message) => {
    const { type, xid, body } = message;
    if (type === openflow.T.echoRequest) {
      wire.send(openflow.message(openflow.T.echoReply, xid, body));
    } else if (type === openflow.T.error) {
      wire.end(
        new Fault("failed", `${WHO} tells of no packets`, { why: openflow.errorText(message) }),
      );
    } else {
      const packet = packetInOf(message);
      if (packet) take(packet);
    }
  };
  void wire.read((chunk) => stream.push(chunk).forEach(handle));
  wire.send(openflow.helloMessage(1));
  for (const message of hearPacketsMessages(2, OUR_ID)) wire.send(message);
  return {
    ended: wire.ended,
    close: () => wire.end(new Fault("unavailable", `${WHO} was left`, { why: "the agent stops" })),
  };
}
