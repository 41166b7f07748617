// Whether a sandbox still exists, and the Faults when it does not, or when a name in it is taken: the same from
// all drivers. Pure.

import { Fault, oneLine } from "../util/errors.ts";

/** The identity of a file. */
export interface Identity {
  readonly dev: number;
  readonly inode: number;
}

/**
 * Checks what was `found` at `netns`. Faults: not_found, if it is not a namespace, or not the one of `inode`: then
 * the process id or the name has been reused. `own` is this namespace.
 */
export function checkIdentity(
  netns: string,
  { found, own, inode }: {
    readonly found: Identity | undefined;
    readonly own: Identity;
    readonly inode: number | undefined;
  },
): void {
  if (!found) throw sandboxGone(netns, "no such file");
  // All namespaces, and nothing else, are files of one file system inside the kernel.
  if (found.dev !== own.dev) throw sandboxGone(netns, "it is not a network namespace");
  if (inode !== undefined && found.inode !== inode) {
    throw sandboxGone(netns, `another namespace is there (inode ${found.inode}, not ${inode})`);
  }
}

/** Returns the Fault of a sandbox that no longer exists. */
export function sandboxGone(netns: string, why: string, cause?: unknown): Fault {
  return new Fault("not_found", `sandbox ${oneLine(netns, 60)} is gone`, {
    why,
    fix: "set the pod up again",
    cause,
  });
}

/** Returns the Fault of a host end whose name is taken. */
export function hostEndTaken(name: string): Fault {
  return new Fault("conflict", `link ${name} already exists on this host`, {
    fix: `if it is not used, remove it with "ip link delete ${name}"`,
  });
}

/** Returns the Fault of an interface whose name is taken in the sandbox. */
export function interfaceTaken(name: string, netns: string): Fault {
  return new Fault("conflict", `interface ${name} already exists in ${oneLine(netns, 60)}`, {
    fix:
      `choose another interface name, or remove it with "nsenter --net=… ip link delete ${name}"`,
  });
}

/** Returns the Fault of a sandbox that has another default route. */
export function routeTaken(gateway: string, netns: string): Fault {
  return new Fault("conflict", `default route via ${gateway} not set in ${oneLine(netns, 60)}`, {
    why: "there is another default route",
    fix: "remove that one, or configure no gateway",
  });
}

/** Returns the Fault of a host end and an interface that are not the two ends of one pair. */
export function notPaired(hostEnd: string, name: string, netns: string): Fault {
  return new Fault("conflict", `${hostEnd} and ${name} in ${oneLine(netns, 60)} are not a pair`, {
    why: "one of them was removed, renamed or moved",
    fix: `remove ${hostEnd} and create the pair again`,
  });
}

/** Returns the Fault of links that were not removed because they are not ours. */
export function notOurs(names: readonly string[]): Fault {
  return new Fault("conflict", `links not removed: ${oneLine(names.join(", "), 80)}`, {
    why: "they do not have our alias",
    fix: 'if they are not used, remove them with "ip link delete"',
  });
}

/** An inner end that no pod can use: it is gone, or occupied. */
export class InnerEndUnusable extends Fault {}

/** Returns the Fault of an inner end that no pod can use. */
export function innerEndUnusable(name: string, why: string): InnerEndUnusable {
  return new InnerEndUnusable("conflict", `warm port ${name} cannot be used`, {
    why,
    fix: "remove it; another one is created",
  });
}
