// Open vSwitch's own table of connections, which policies, aliases and services need on the userspace datapath. It
// drops what is new while it is full. The kernel datapath uses the host's.

import type { CheckItem } from "../api/agent_health.ts";
import { type CheckContext, findingsOf } from "./findings.ts";

const { ok, warning } = findingsOf("Open vSwitch");

/** From this part of its connections on, Open vSwitch will soon drop what is new. */
const NEARLY_FULL = 0.9;

/** Checks the table of connections. */
export async function checkConnections({ machine, settings }: CheckContext): Promise<CheckItem[]> {
  const ask = async (what: string) =>
    Number(await machine.control(settings.ovsRundir, `dpctl/ct-get-${what}`));
  let numbers: readonly number[];
  try {
    numbers = await Promise.all([ask("nconns"), ask("maxconns")]);
  } catch {
    return []; // the kernel datapath, or an ovs-vswitchd that another check reports
  }
  const [count = 0, most = 0] = numbers;
  const words = `${count} of at most ${most} connections`;
  if (most === 0 || count < NEARLY_FULL * most) return [ok("connections", words)];
  const fix = `see which pod opens so many; ovs-appctl dpctl/ct-set-maxconns ${2 * most}`;
  return [warning("connections", `Open vSwitch tracks ${words}`, fix)];
}
