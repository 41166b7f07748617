// Runs the commands of driver.ts, here or in a sandbox, and makes sure that it was the right one.

import { Fault } from "../../util/errors.ts";
import { run, type RunOptions } from "../../util/run.ts";
import { type IpLink, parseIpLinks } from "./ip_output.ts";
import { checkIdentity, type Identity, sandboxGone } from "../sandbox_checks.ts";

const OWN = "/proc/self/ns/net";

/** Runs `ip` in this namespace. Faults: timeout, unavailable, failed. */
export function ip(args: readonly string[], options: RunOptions = {}): Promise<string> {
  return run("ip", args, options);
}

/** Runs a command in the sandbox's namespace. Faults: timeout, unavailable, failed. */
export function inSandbox(
  netns: string,
  [cmd = "", ...args]: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const name = /^\/run\/netns\/([^/]+)$/.exec(netns)?.[1];
  if (name === undefined) return run("nsenter", [`--net=${netns}`, cmd, ...args], options);
  if (cmd === "ip") return run("ip", ["-n", name, ...args], options);
  return run("ip", ["netns", "exec", name, cmd, ...args], options);
}

/** Returns the links of this namespace, without addresses. */
export async function linksHere(): Promise<IpLink[]> {
  return parseIpLinks(await ip(["-j", "link", "show"]));
}

/** Returns the links of the sandbox. */
export async function linksIn(netns: string): Promise<IpLink[]> {
  return parseIpLinks(await inSandbox(netns, ["ip", "-j", "address", "show"]));
}

/** Writes `0` to the host end's accept_ra; gives false where the link knows no IPv6. */
export async function refuseRouters(hostEnd: string): Promise<boolean> {
  const folder = `/proc/sys/net/ipv6/conf/${hostEnd}`;
  try {
    await run("nsenter", ["--", "tee", `${folder}/accept_ra`], { stdin: "0" });
    return true;
  } catch (error) {
    // No IPv6 in the kernel, or an MTU below the 1280 that IPv6 needs.
    if (await isThere(folder)) throw error;
    return false;
  }
}

/** Does `work` between two looks at the sandbox. Faults: not_found, rather than what `work` says. */
export async function inSameSandbox<T>(
  { netns, netnsInode }: { readonly netns: string; readonly netnsInode?: number },
  work: () => Promise<T>,
): Promise<T> {
  await checkSandbox(netns, netnsInode);
  try {
    return await work();
  } catch (error) {
    // A namespace of another kind looks the same until one enters it.
    const isOther = !await canEnter(netns) && await canEnter(OWN);
    throw isOther ? sandboxGone(netns, "no network namespace is there", error) : error;
  } finally {
    await checkSandbox(netns, netnsInode);
  }
}

async function checkSandbox(netns: string, inode: number | undefined): Promise<void> {
  // One command for both; it fails where nothing is at `netns`, and only then is the reason sought.
  const [own, found] = await identify([OWN, netns]).catch(async (error) => {
    if (await isThere(netns)) throw error;
    throw sandboxGone(netns, "nothing is there", error);
  });
  if (!own) throw new Fault("failed", `stat of ${netns} gave no answer`, { fix: "look at /proc" });
  checkIdentity(netns, { found, own, inode });
}

/** Returns each path's identity, in order. */
async function identify(paths: readonly string[]): Promise<Identity[]> {
  // `nsenter` without a namespace only starts the command.
  const lines = await run("nsenter", ["--", "stat", "-L", "-c", "%d %i", ...paths]);
  return lines.split("\n").map((line) => {
    const [dev = 0, inode = 0] = line.split(" ").map(Number);
    return { dev, inode };
  });
}

function isThere(path: string): Promise<boolean> {
  return run("nsenter", ["--", "test", "-e", path]).then(() => true, () => false);
}

function canEnter(netns: string): Promise<boolean> {
  return run("nsenter", [`--net=${netns}`, "true"]).then(() => true, () => false);
}
