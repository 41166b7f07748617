// Whether a sandbox is there, and what is said when it is not, or when a name in it is taken. Both
// drivers say the same. Pure.

import { Fault, oneLine } from "../util/errors.ts";

/** A file's identity. */
export interface Identity {
  readonly dev: number;
  readonly inode: number;
}

/**
 * Faults: not_found, when what was `found` at `netns` is no namespace, or not the one of `inode`:
 * the process id, or the name, belongs to somebody else now. `own` is this namespace.
 */
export function checkIdentity(
  netns: string,
  { found, own, inode }: {
    readonly found: Identity | undefined;
    readonly own: Identity;
    readonly inode: number | undefined;
  },
): void {
  if (!found) throw sandboxGone(netns, "nothing is there");
  // All namespaces live in one file system of the kernel's own, and nothing else does.
  if (found.dev !== own.dev) throw sandboxGone(netns, "no network namespace is there");
  if (inode !== undefined && found.inode !== inode) {
    throw sandboxGone(netns, `namespace ${found.inode} has its place, ${inode} is wanted`);
  }
}

/** Says that the sandbox at `netns` is no longer there. */
export function sandboxGone(netns: string, why: string, cause?: unknown): Fault {
  return new Fault("not_found", `sandbox ${oneLine(netns, 60)} is gone`, {
    why,
    fix: "set the pod up again",
    cause,
  });
}

/** Says that this namespace has a link of that name already. */
export function hostEndTaken(name: string): Fault {
  return new Fault("conflict", `link ${name} exists on this host already`, {
    fix: `if nothing uses it, remove it with "ip link delete ${name}"`,
  });
}

/** Says that the sandbox has an interface of that name already. */
export function interfaceTaken(name: string, netns: string): Fault {
  return new Fault("conflict", `interface ${name} exists in ${oneLine(netns, 60)} already`, {
    fix: `name another interface, or remove it with "nsenter --net=… ip link delete ${name}"`,
  });
}

/** Says that the sandbox's default route goes elsewhere. */
export function routeTaken(gateway: string, netns: string): Fault {
  return new Fault("conflict", `default route by ${gateway} not set in ${oneLine(netns, 60)}`, {
    why: "it has another one",
    fix: "remove that one, or leave the gateway out",
  });
}

/** Says that host end and interface are not the two ends of one pair. */
export function notPaired(hostEnd: string, name: string, netns: string): Fault {
  return new Fault("conflict", `${hostEnd} and ${name} in ${oneLine(netns, 60)} are not a pair`, {
    why: "one of them was removed, renamed or moved",
    fix: `remove ${hostEnd} and make the pair again`,
  });
}

/** Says that links were not removed because others made them. */
export function notOurs(names: readonly string[]): Fault {
  return new Fault("conflict", `links not removed: ${oneLine(names.join(", "), 80)}`, {
    why: "they do not carry our alias",
    fix: 'if nothing uses them, remove them with "ip link delete"',
  });
}
