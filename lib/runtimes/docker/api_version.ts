// Which version of its API a Docker is spoken to in. Pure.

/** Newest version whose changes were read against what is read here (moby's history, 2026). */
const NEWEST = "1.54";

/** Returns the start of a path for a daemon that says it has `offered`; empty where it says nothing. */
export function versionPrefix(offered: string | null, newest = NEWEST): string {
  // Below 17.04 nothing is said, and a path without a version means the daemon's own newest.
  if (offered === null || !isVersion(offered)) return "";
  return `/v1.${Math.min(minorOf(offered), minorOf(newest))}`;
}

/** Reports whether a daemon refused the version of the call, as one that was exchanged may. */
export function isVersionRefusal(status: number, words: string): boolean {
  return status === 400 && /client version \S+ is too (old|new)/i.test(words);
}

function isVersion(text: string): boolean {
  return /^1\.\d{1,3}$/.test(text);
}

function minorOf(version: string): number {
  return Number(version.split(".")[1]);
}
