// Whether what this process mounts in a folder outlives it. It does on the host itself, and in a container whose
// folder is shared with the host. It goes with a mount namespace of this process's own: a unit with PrivateTmp= or
// ProtectSystem=, a container without that sharing (mount_namespaces(7), "SHARED SUBTREES").

import { run, runToEnd } from "../util/run.ts";

/** What decides it. */
export interface MountsSeen {
  /** Text of /proc/self/mountinfo, as proc(5) describes it. */
  readonly own: string;
  /** The same of process 1; undefined where it may not be read. */
  readonly first: string | undefined;
  /** This process is in the mount namespace of process 1. */
  readonly isSame: boolean;
  /** This process is process 1 itself, as in a container. */
  readonly isFirst: boolean;
}

/** Reports whether a mount that is made in `folder` outlives this process. Pure. */
export function outlives(folder: string, { own, first, isSame, isFirst }: MountsSeen): boolean {
  if (isSame && !isFirst) return true;
  const here = propagationOf(folder, own);
  if (here.shared === undefined) return false;
  // What is made in a mount that receives only does not reach the host.
  if (isFirst) return !here.isReceiver;
  return first !== undefined && propagationOf(folder, first).shared === here.shared;
}

/**
 * Looks at this process and process 1. Deno opens nothing below /proc without -A: commands do, started by one that may
 * be. Faults: timeout; unavailable; failed.
 */
export async function seenMounts(): Promise<MountsSeen> {
  const words = (...command: string[]) => runToEnd("nsenter", ["--", ...command]);
  const [own, first, names] = await Promise.all([
    run("nsenter", ["--", "cat", "/proc/self/mountinfo"]),
    words("cat", "/proc/1/mountinfo"),
    words("readlink", "/proc/self/ns/mnt", "/proc/1/ns/mnt"),
  ]);
  const [ownName, firstName] = names.stdout.split("\n");
  return {
    ...{ own, first: first.code === 0 ? first.stdout : undefined },
    ...{ isSame: ownName !== undefined && ownName === firstName, isFirst: Deno.pid === 1 },
  };
}

interface Propagation {
  /** Number of the peer group, which is the same in all mount namespaces. */
  readonly shared: string | undefined;
  readonly isReceiver: boolean;
}

/** Returns how the mount that `folder` is in propagates: of several at one place the last one is on top. */
function propagationOf(folder: string, mountinfo: string): Propagation {
  let found: { readonly length: number; readonly options: readonly string[] } | undefined;
  for (const line of mountinfo.split("\n")) {
    const [, , , , point, , ...rest] = line.split(" ");
    if (point === undefined || !isWithin(folder, point)) continue;
    if (found && point.length < found.length) continue;
    found = { length: point.length, options: rest.slice(0, rest.indexOf("-")) };
  }
  const shared = found?.options.find((option) => option.startsWith("shared:"));
  return {
    shared: shared?.slice("shared:".length),
    isReceiver: found?.options.some((option) => option.startsWith("master:")) ?? false,
  };
}

function isWithin(folder: string, point: string): boolean {
  return point === "/" || folder === point || folder.startsWith(`${point}/`);
}
