// Who holds a lock, for the message of whoever does not get it: /proc/locks has the process (proc(5)), /proc/PID/cgroup
// its systemd unit (cgroups(7)).

import { run } from "../../util/run.ts";

/** The process that holds a lock. */
export interface LockHolder {
  readonly pid: number;
  /** Its unit, such as `k8contivnet.service`; absent if it has none of ours. */
  readonly unit?: string;
}

const LIMIT_MS = 5_000;

/** Returns who holds the lock on the file at `path`, as far as that can be read. Never throws. */
export async function lockHolder(path: string): Promise<LockHolder | undefined> {
  try {
    const { dev, ino } = await Deno.stat(path);
    const pid = ino === null ? undefined : pidOf(await textOf("/proc/locks"), dev, ino);
    if (pid === undefined) return undefined;
    const unit = unitOf(await textOf(`/proc/${pid}/cgroup`).catch(() => ""));
    return { pid, ...unit === undefined ? {} : { unit } };
  } catch {
    return undefined;
  }
}

/** Deno opens nothing below /proc without -A: a command does, started by one that may be. */
function textOf(path: string): Promise<string> {
  return run("nsenter", ["--", "cat", path], { limitMs: LIMIT_MS });
}

/** Returns the process with a flock(2) on a file, of the text of /proc/locks; undefined if none is visible. */
export function pidOf(locks: string, dev: number, ino: number): number | undefined {
  // st_dev as glibc's makedev() composes it; /proc/locks has the parts in hex, two digits at least.
  const [major, minor] = [(dev >>> 8) & 0xfff, (dev & 0xff) | ((dev >>> 12) & 0xfff00)];
  const hex = (part: number) => part.toString(16).padStart(2, "0");
  const file = `${hex(major)}:${hex(minor)}:${ino}`;
  for (const line of locks.split("\n")) {
    // `1: FLOCK  ADVISORY  WRITE 812 08:01:131 0 EOF`; whoever waits has `->` in front.
    const [, kind, , , pid, where] = line.trim().split(/\s+/);
    // A process in a PID namespace that is not ours has 0 or -1.
    if (kind === "FLOCK" && where === file && Number(pid) > 0) return Number(pid);
  }
  return undefined;
}

/**
 * Returns the service of the text of /proc/PID/cgroup, of either version; undefined for a process without one, or in
 * one of others: what a shell starts is in its server's, such as ssh.service, which nobody is to stop.
 */
export function unitOf(cgroup: string): string | undefined {
  const paths = cgroup.split("\n").flatMap((line) => {
    const [, controllers, ...path] = line.split(":");
    return controllers === "" || controllers === "name=systemd" ? [path.join(":")] : [];
  });
  return paths.map((path) => /\/(k8contivnet[\w@.\\-]*\.service)$/.exec(path)?.[1]).find(Boolean);
}
