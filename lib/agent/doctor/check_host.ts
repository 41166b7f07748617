// The host: permissions, commands, disk, clock.

import type { CheckItem } from "../api/agent_health.ts";
import { type CheckContext, findingsOf } from "./findings.ts";

const { ok, warning, failed, fault } = findingsOf("host");

/** Commands and the Debian packages that have them; of `isNeeded` ones the agent needs each. */
const COMMANDS = [
  { name: "ip", args: ["-V"], from: "iproute2", isNeeded: true },
  { name: "nsenter", args: ["-V"], from: "util-linux", isNeeded: true },
  { name: "ovs-vsctl", args: ["-V"], from: "openvswitch-switch", isNeeded: true },
  { name: "ovs-ofctl", args: ["-V"], from: "openvswitch-switch", isNeeded: true },
  { name: "ovs-appctl", args: ["-V"], from: "openvswitch-switch", isNeeded: true },
  { name: "ethtool", args: ["--version"], from: "ethtool", isNeeded: false },
] as const;

// The first release of this program is from then.
const OLDEST_CLOCK = Date.UTC(2025, 0, 1);
const LEAST_BYTES = 10 * 1024 * 1024;
const FEW_BYTES = 100 * 1024 * 1024;
const LEAST_INODES = 100;

/** Checks the host. */
export async function checkHost(context: CheckContext): Promise<CheckItem[]> {
  const { machine } = context;
  const items = await Promise.all([
    commandItem(context),
    diskItem(context),
  ]);
  return [ok("kernel", `Linux ${machine.kernel}`), rootItem(context), ...items, clockItem(context)];
}

function rootItem({ machine: { uid } }: CheckContext): CheckItem {
  return uid === 0 ? ok("root", "running as root") : warning(
    "root",
    `running as user ${uid ?? "unknown"}: much is readable for root only`,
    "use sudo",
  );
}

async function commandItem({ machine }: CheckContext): Promise<CheckItem> {
  const missing = (await Promise.all(COMMANDS.map(async (one) => {
    const isThere = await machine.run(one.name, ...one.args).then(() => true, isUnlikeMissing);
    return isThere ? [] : [one];
  }))).flat();
  if (missing.length === 0) {
    return ok(
      "commands",
      `${COMMANDS.map(({ name }) => name).join(", ")}: found`,
    );
  }
  const names = missing.map(({ name }) => name).join(", ");
  const fix = `install ${[...new Set(missing.map(({ from }) => from))].join(" and ")}`;
  return missing.some(({ isNeeded }) => isNeeded)
    ? failed("commands", `not installed: ${names}`, fix)
    : warning("commands", `not installed: ${names} (needed for the userspace datapath)`, fix);
}

/** A command that is there and fails is another check's matter. */
function isUnlikeMissing(error: unknown): boolean {
  return !/is not installed/.test(String(error));
}

async function diskItem({ machine, settings: { stateDir } }: CheckContext): Promise<CheckItem> {
  try {
    const facts = await machine.stat(stateDir);
    if (!facts) {
      return warning(
        "disk",
        `state folder ${stateDir} does not exist`,
        "the agent creates it at its start",
      );
    }
    const { bytes, inodes } = await machine.free(stateDir);
    const words = `${Math.floor(bytes / 1024 / 1024)} MB free for ${stateDir}`;
    if (bytes < LEAST_BYTES || inodes < LEAST_INODES) {
      const what = bytes < LEAST_BYTES ? words : `${inodes} files free for ${stateDir}`;
      return failed("disk", `disk is full: ${what}`, "free space: the store cannot be written");
    }
    if (bytes < FEW_BYTES) {
      return warning("disk", words, "free space before the store cannot be written");
    }
    if (![0, machine.uid].includes(facts.uid) || facts.mode & 0o022) {
      return failed(
        "disk",
        `state folder ${stateDir} belongs to user ${facts.uid}, mode ${facts.mode.toString(8)}`,
        `chown root ${stateDir} && chmod 0700 ${stateDir}`,
      );
    }
    return ok("disk", words);
  } catch (error) {
    return fault("disk", error, "see whether its file system is mounted");
  }
}

function clockItem({ machine }: CheckContext): CheckItem {
  const now = machine.nowMs();
  const text = new Date(now).toISOString();
  if (now >= OLDEST_CLOCK) return ok("clock", `clock: ${text}`);
  return failed(
    "clock",
    `clock is wrong: ${text}`,
    "set it, e.g. by chrony: certificates seem not valid yet",
  );
}
