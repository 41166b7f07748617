// Removes MACs that a bridge has learned at a port. ovs-vswitchd does so itself when a port is removed.

import { faultFrom } from "../../util/errors.ts";
import type { LearnedMac, SwitchOptions } from "../switch.ts";
import { openControl } from "../tools/appctl.ts";

/** Makes the bridge forget these. Faults: unavailable, timeout. */
export async function forgetMacs(
  { rundir, bridge }: Pick<SwitchOptions, "rundir" | "bridge">,
  macs: readonly LearnedMac[],
  endMs: number,
): Promise<void> {
  if (macs.length === 0) return;
  using control = await openControl(rundir);
  // Only a static entry can be deleted (3.1), so each is made static first. Both requests go out in one write:
  // no entry stays static, whenever this process ends.
  const asked = macs.flatMap(({ name, tag, mac }) => [
    control.ask("fdb/add", [bridge, name, String(tag), mac], endMs),
    control.ask("fdb/del", [bridge, String(tag), mac], endMs),
  ]);
  const refused = (await Promise.allSettled(asked)).find((one) => one.status === "rejected");
  if (!refused) return;
  // Before Open vSwitch 2.17 there are no such commands; where they fail, the bridge learns all MACs anew.
  if (faultFrom(refused.reason).code !== "failed") throw refused.reason;
  await control.ask("fdb/flush", [bridge], endMs);
}
