// Receives the packets that flows drop and report. The switch itself limits how many: the meter comes before
// the report, in the datapath, so that a flood reaches neither ovs-vswitchd nor us. It has its own connection
// with its own controller id: no other connection gets these packets, and a backlog of them delays no port.

import { Fault } from "../../util/errors.ts";
import { type Connection, Reconnecting } from "../transport/reconnecting.ts";
import * as openflow from "../openflow/messages.ts";
import { type PacketIn, packetInOf, subscribePacketsMessages } from "../openflow/packet_in.ts";
import type { SwitchOptions } from "../switch.ts";
import type { OvsTools } from "../tools/ovs_tools.ts";
import { openUnixStream } from "../transport/unix_stream.ts";

const SERVER = "ovs-vswitchd";
/** "k8": our meter and our controller id, on a bridge that is ours. */
const OUR_ID = 0x6b38;
const PER_SECOND = 100;
const METER =
  `meter=${OUR_ID},pktps,burst,bands=type=drop,rate=${PER_SECOND},burst_size=${PER_SECOND}`;

/** Packets that are reported for certain in any period; of more, the switch may omit some. */
export const GUARANTEED_REPORTS = PER_SECOND;

/** Actions that drop a packet, and report it within the limit of the meter. */
export const REPORT_AND_DROP = `meter:${OUR_ID},controller(max_len=0,id=${OUR_ID})`;

/** The same, with the whole packet: without a max_len, nothing is cut off. */
export const REPORT_WHOLE_AND_DROP = `meter:${OUR_ID},controller(id=${OUR_ID})`;

/** Creates or corrects the meter. Repeatable. Faults: failed, where the datapath has no meters. */
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

/** Passes each packet that REPORT_AND_DROP reports to `take`, until it is disposed; it reconnects by itself. */
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

async function openDropConnection(
  path: string,
  take: (packet: PacketIn) => void,
): Promise<Connection> {
  const socket = await openUnixStream(path, SERVER);
  const stream = new openflow.MessageStream();
  const handle = (message: openflow.Message) => {
    const { type, xid, body } = message;
    if (type === openflow.T.echoRequest) {
      socket.send(openflow.message(openflow.T.echoReply, xid, body));
    } else if (type === openflow.T.error) {
      socket.end(
        new Fault("failed", `${SERVER} does not report dropped packets`, {
          why: openflow.errorText(message),
        }),
      );
    } else {
      const packet = packetInOf(message);
      if (packet) take(packet);
    }
  };
  void socket.read((chunk) => stream.push(chunk).forEach(handle));
  socket.send(openflow.helloMessage(1));
  for (const message of subscribePacketsMessages(2, OUR_ID)) socket.send(message);
  return {
    ended: socket.ended,
    close: () =>
      socket.end(
        new Fault("unavailable", `connection to ${SERVER} closed`, { why: "the agent stops" }),
      ),
  };
}
