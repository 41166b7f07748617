// Logs what policies drop on this host. Loaded only with --log-drops.

import { GUARANTEED_REPORTS, watchDrops } from "../../ovs/policy_tables/drop_watch.ts";
import type { PacketIn } from "../../ovs/openflow/packet_in.ts";
import type { SwitchOptions } from "../../ovs/switch.ts";
import { DropAggregator, type Interval } from "../../policy/drop_aggregator.ts";
import type { Log } from "../../util/log.ts";
import type { PolicyEnforcer } from "./policy_enforcer.ts";
import { dropMessage, dropOf, keyOf } from "./drop_message.ts";

const INTERVAL_S = 10;

/** Logs drops until it is disposed. */
export function logDrops(
  { log, policies }: {
    readonly log: Pick<Log, "info">;
    readonly policies: Pick<PolicyEnforcer, "known">;
  },
  place: Pick<SwitchOptions, "rundir" | "bridge">,
): Disposable {
  const drops = new DropAggregator();
  let timer: ReturnType<typeof setInterval> | undefined;
  const turn = () => {
    for (const line of intervalLines(drops.endInterval())) log.info(line);
    if (!drops.isEmpty) return;
    clearInterval(timer);
    timer = undefined;
  };
  const watch = watchDrops(place, (packet: PacketIn) => {
    const drop = dropOf(packet);
    const message = drops.count(keyOf(drop), () => dropMessage(policies.known, drop));
    if (message !== undefined) log.info(`dropped ${message}`);
    timer ??= setInterval(turn, INTERVAL_S * 1_000);
  });
  return {
    [Symbol.dispose]() {
      watch[Symbol.dispose]();
      clearInterval(timer);
    },
  };
}

/** Returns the log lines at the end of an interval. Beyond what the switch surely reports, counts are minima. */
export function intervalLines({ more, others, seen }: Interval): string[] {
  const least = seen > GUARANTEED_REPORTS ? "at least " : "";
  const counted = (count: number) => `${least}${count} more in ${INTERVAL_S} s`;
  return [
    ...more.map(({ words, count }) => `dropped ${words}, ${counted(count)}`),
    ...others > 0
      ? [
        `dropped packets of more kinds than are listed, ${
          counted(others)
        }; get policies counts all`,
      ]
      : [],
  ];
}
