// Notes of DELs that cannot be done, as the agent is unreachable: name and content of their files.

import type { CniInput } from "./cni_types.ts";

/** Matches the names of these files. */
export const CNI_NOTE_NAME = /^cni-[0-9a-f]{64}$/;

/** Returns the name of an attachment's file; ids and interface names together may be longer than a file name. */
export async function cniNoteName(containerId: string, ifname: string): Promise<string> {
  const bytes = new TextEncoder().encode(`${containerId} ${ifname}`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `cni-${Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** Returns the call that a note holds; undefined if it holds none. */
export function parseNote(text: string): CniInput | undefined {
  try {
    const { command, containerId, netns, ifname, args, path, config } = JSON.parse(text);
    const input = { command, containerId, netns, ifname, args, path, config };
    const isInput = Object.values(input).every((value) => typeof value === "string");
    return isInput && command === "DEL" ? input : undefined;
  } catch {
    return undefined;
  }
}
