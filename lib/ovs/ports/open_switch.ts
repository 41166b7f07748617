// Chooses the driver of a Switch.

import type { Switch, SwitchOptions } from "../switch.ts";
import { openFastSwitch } from "./socket_driver.ts";
import { openVsctlSwitch } from "./cli_driver.ts";

/** Opens the Switch by the sockets of Open vSwitch, or by its command line tools. */
export function openSwitch(driver: "jsonrpc" | "vsctl", options: SwitchOptions): Switch {
  return driver === "vsctl" ? openVsctlSwitch(options) : openFastSwitch(options);
}
