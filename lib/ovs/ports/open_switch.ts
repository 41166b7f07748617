// Chooses the driver of a Switch.

import type { Switch, SwitchOptions } from "../switch.ts";
import { openSocketSwitch } from "./socket_driver.ts";
import { openCliSwitch } from "./cli_driver.ts";

/** Opens the Switch over the sockets of Open vSwitch, or over its command-line tools. */
export function openSwitch(driver: "jsonrpc" | "vsctl", options: SwitchOptions): Switch {
  return driver === "vsctl" ? openCliSwitch(options) : openSocketSwitch(options);
}
