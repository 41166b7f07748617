// The version of Docker's API that is used. Pure.

/** Newest version whose changes were checked against what is used here (moby's history, 2026). */
const NEWEST = "1.54";

/** Returns the prefix of paths for a daemon that offers version `offered`; empty if it does not say. */
export function versionPrefix(offered: string | null, newest = NEWEST): string {
  // Below 17.04 it does not say, and a path without a version means the daemon's own newest.
  if (offered === null || !isVersion(offered)) return "";
  return `/v1.${Math.min(minorOf(offered), minorOf(newest))}`;
}

/** Reports whether a daemon refused the version of the request, as another version of it may. */
export function isVersionRefusal(status: number, text: string): boolean {
  return status === 400 && /client version \S+ is too (old|new)/i.test(text);
}

function isVersion(text: string): boolean {
  return /^1\.\d{1,3}$/.test(text);
}

function minorOf(version: string): number {
  return Number(version.split(".")[1]);
}
