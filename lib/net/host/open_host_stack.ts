// The host's own stack by `ip -batch`, `sysctl` and `nft`: it changes seldom, so commands are quick enough.
// Between changes the kernel's notifications say whether something was changed; without them it is compared.

import { Fault, faultFrom } from "../../util/errors.ts";
import { run } from "../../util/run.ts";
import { InstalledFilter } from "./filter_table.ts";
import { findHindrances } from "./hindrances.ts";
import { spreadReceiving } from "./packet_steering.ts";
import type { StackEvents } from "../link_events.ts";
import type { DesiredStack, HostStack, StackReport } from "./host_stack.ts";
import {
  parseRoutes,
  parseState,
  shareAddress,
  stackChanges,
  type StackState,
  stateQueries,
} from "./stack_state.ts";

/** Options of the driver. */
export interface HostStackOptions {
  /** The kernel's notifications about the link of that name; undefined where there are none. */
  readonly openEvents: (names: {
    readonly device: string;
    readonly nextHop: string;
    readonly table: string;
  }) => StackEvents | undefined;
}

/** Opens the driver; nothing is asked of the kernel yet. */
export function openHostStack({ openEvents }: HostStackOptions): HostStack {
  const filters = new Map<string, InstalledFilter>();
  const filterOf = (name: string) => {
    const filter = filters.get(name) ?? new InstalledFilter();
    filters.set(name, filter);
    return filter;
  };
  let events: StackEvents | undefined;
  let wake: (() => void) | undefined;
  let isClosed = false;
  let installed: DesiredStack | undefined;
  let last: StackReport = { problems: [] };
  return {
    ensure: async (desired, { isFresh = false } = {}) => {
      const { device, nextHop, filter: table } = desired;
      if (!events) {
        events = openEvents({ device, nextHop: nextHop.address, table: table.name });
        if (events && wake) void reportChanges(events, wake, () => isClosed);
      }
      const isSame = !isFresh && installed !== undefined && isSameStack(desired, installed);
      installed = undefined;
      await filterOf(table.name).ensure(table, { isFresh });
      const report = isSame ? last : await ensureStack(desired);
      last = report;
      installed = desired;
      // Of what was changed here. Others may have changed more meanwhile: after a comparison, it is compared again.
      if (!isFresh) events?.take();
      return report;
    },
    ensureFilter: async (table, { isFresh = false } = {}) => {
      await filterOf(table.name).ensure(table, { isFresh });
      if (!isFresh) events?.take();
    },
    removeFilter: async (name) => {
      if (name === installed?.filter.name) installed = undefined;
      await filterOf(name).remove(name);
      filters.delete(name);
    },
    hasDrifted: async () => {
      if (!installed || (events && !events.take())) return false;
      for (const filter of filters.values()) if (await filter.hasDrifted()) return true;
      return await differs(installed, last);
    },
    onChange: (given) => void (wake = given),
    hindrances: findHindrances,
    overlappingRoutes: async (cidr, device) =>
      parseRoutes(await run("ip", ["-j", "-4", "route", "show"]))
        .filter((one) => one.device !== device && one.to !== "0.0.0.0/0")
        .filter((one) => shareAddress(one.to, cidr))
        .map(({ to, device }) => device === "" ? to : `${to} on ${device}`),
    close: () => {
      isClosed = true;
      events?.close();
    },
  };
}

// A wait is short, so that the process can end. After a report comes a pause: other programs write their tables of
// nftables by thousands of lines.
const [WAIT_MS, PAUSE_MS] = [500, 100];

async function reportChanges(
  events: StackEvents,
  wake: () => void,
  isClosed: () => boolean,
): Promise<void> {
  while (!isClosed()) {
    if (!await events.wait(WAIT_MS)) continue;
    if (isClosed()) return;
    wake();
    await new Promise((done) => setTimeout(done, PAUSE_MS));
  }
}

async function stateOf(device: string): Promise<StackState> {
  try {
    return parseState(
      await run("ip", ["-j", "-4", "-batch", "-"], { stdin: stateQueries(device) }),
    );
  } catch (error) {
    if (!/does not exist|Cannot find device/.test(faultFrom(error).message)) throw error;
    throw new Fault("not_found", `link ${device} does not exist`, {
      why: "Open vSwitch has not made it, or it was removed",
      fix: "see ovs-vsctl show",
      cause: error,
    });
  }
}

/** Reports whether all but the packet filter is the same: pods come and go there alone. */
function isSameStack({ filter: _, ...one }: DesiredStack, other: DesiredStack): boolean {
  const { filter: __, ...rest } = other;
  return JSON.stringify(one) === JSON.stringify(rest);
}

async function ensureStack(desired: DesiredStack): Promise<StackReport> {
  const { lines, problems } = stackChanges(await stateOf(desired.device), desired);
  // Only those that differ: a write of ip_forward resets other settings of links.
  const settings = await differingSettings(desired);
  if (settings.length > 0) await sysctl("-qw", ...settings);
  if (lines.length > 0) await run("ip", ["-batch", "-"], { stdin: `${lines.join("\n")}\n` });
  await spreadReceiving(desired.device);
  return { problems };
}

async function differingSettings({ settings }: DesiredStack): Promise<string[]> {
  const text = await sysctl("-e", ...settings.map(({ key }) => key));
  const values = new Map(
    text.split("\n").map((line) => {
      const [key = "", value = ""] = line.split(" = ");
      return [key, value.trim()];
    }),
  );
  return settings.flatMap(({ key, value, isOptional }) => {
    const now = values.get(key.replaceAll("/", "."));
    return now === value || (now === undefined && isOptional) ? [] : [`${key}=${value}`];
  });
}

/** Deno opens nothing below /proc without -A: a command does, started by one that may be. */
function sysctl(...args: readonly string[]): Promise<string> {
  return run("nsenter", ["--", "sysctl", ...args]);
}

async function differs(desired: DesiredStack, last: StackReport): Promise<boolean> {
  if ((await differingSettings(desired)).length > 0) return true;
  try {
    const { lines, problems } = stackChanges(await stateOf(desired.device), desired);
    return lines.length > 0 || textOf(problems) !== textOf(last.problems);
  } catch (error) {
    if (faultFrom(error).code === "not_found") return true;
    throw error;
  }
}

function textOf(problems: readonly Fault[]): string {
  return problems.map(({ message }) => message).join("\n");
}
