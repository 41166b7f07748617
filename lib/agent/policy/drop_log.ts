// Logs what policies drop on this host. Loaded only with --log-drops.

import { GUARANTEED_REPORTS, watchDrops } from "../../ovs/policy_tables/drop_watch.ts";
import type { PacketIn } from "../../ovs/openflow/packet_in.ts";
import type { SwitchOptions } from "../../ovs/switch.ts";
import { DropAggregator, type Interval } from "../../policy/drop_aggregator.ts";
import type { Log, LogFields } from "../../util/log.ts";
import type { PolicyEnforcer } from "./policy_enforcer.ts";
import { dropOf, type DropReport, keyOf, reportDrop } from "./drop_message.ts";

const INTERVAL_S = 10;

/** What drops are logged with. */
export interface DropLogDeps {
  /** Does not record events itself: theirs have more fields than the lines, which name both pods already. */
  readonly log: Pick<Log, "info">;
  readonly events: { record(level: "info", message: string, fields: LogFields): void };
  readonly policies: Pick<PolicyEnforcer, "known">;
}

/** Logs drops, and records their events, until it is disposed. */
export function logDrops(
  { log, events, policies }: DropLogDeps,
  place: Pick<SwitchOptions, "rundir" | "bridge">,
  watching = watchDrops,
): Disposable {
  const drops = new DropAggregator<DropReport>();
  let timer: ReturnType<typeof setInterval> | undefined;
  const write = ({ message, fields }: DropReport) => {
    log.info(message);
    events.record("info", message, fields);
  };
  const turn = () => {
    intervalReports(drops.endInterval()).forEach(write);
    if (!drops.isEmpty) return;
    clearInterval(timer);
    timer = undefined;
  };
  const watch = watching(place, (packet: PacketIn) => {
    const drop = dropOf(packet);
    const report = drops.count(keyOf(drop), () => reportDrop(policies.known, drop));
    if (report !== undefined) write(report);
    timer ??= setInterval(turn, INTERVAL_S * 1_000);
  });
  return {
    [Symbol.dispose]() {
      watch[Symbol.dispose]();
      clearInterval(timer);
    },
  };
}

/** Returns what to log at the end of an interval. Beyond what the switch surely reports, counts are minima. */
export function intervalReports({ more, others, seen }: Interval<DropReport>): DropReport[] {
  const least = seen > GUARANTEED_REPORTS ? "at least " : "";
  const counted = (count: number) => `${least}${count} more in ${INTERVAL_S} s`;
  const rest = `dropped packets of more kinds than are listed, ${counted(others)}; ` +
    "get policies counts all";
  return [
    ...more.map(({ report: { message, fields }, count }) => {
      return { message: `${message}, ${counted(count)}`, fields };
    }),
    ...others > 0 ? [{ message: rest, fields: {} }] : [],
  ];
}
