// Runs the commands of the driver, in this namespace or in a sandbox, and verifies that it was the right sandbox.

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

/** Sets accept_ra of the host end to 0; returns false if the link has no IPv6. */
export async function disableRouterAdvertisements(hostEnd: string): Promise<boolean> {
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

/**
 * Does `work`, and checks the identity of the sandbox before and after it. Faults: not_found, in preference to the
 * error of `work`.
 */
export async function inSameSandbox<T>(
  { netns, netnsInode }: { readonly netns: string; readonly netnsInode?: number },
  work: () => Promise<T>,
): Promise<T> {
  await checkSandbox(netns, netnsInode);
  try {
    return await work();
  } catch (error) {
    // A namespace of another kind cannot be distinguished until it is entered.
    const isOther = !await canEnter(netns) && await canEnter(OWN);
    throw isOther ? sandboxGone(netns, "it is not a network namespace", error) : error;
  } finally {
    await checkSandbox(netns, netnsInode);
  }
}

async function checkSandbox(netns: string, inode: number | undefined): Promise<void> {
  // One command for both; it fails if nothing is at `netns`, and only then is the reason determined.
  const [own, found] = await identify([OWN, netns]).catch(async (error) => {
    if (await isThere(netns)) throw error;
    throw sandboxGone(netns, "no such file", error);
  });
  if (!own) throw new Fault("failed", `stat of ${netns} printed nothing`, { fix: "check /proc" });
  checkIdentity(netns, { found, own, inode });
}

/** Returns the identity of each path, in order. */
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
