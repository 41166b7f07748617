// Who changes the intent, for its history: the user and the host that the command runs on.

import type { Origin } from "../agent/api/intent_requests.ts";
import { sourceName } from "./read_intent_file.ts";

/** User and host. */
export type Caller = Pick<Origin, "by" | "host">;

/** Returns who runs this process: the user behind sudo, as the agent's socket is root's. */
export function processCaller(): Caller {
  const names = ["SUDO_USER", "USER", "LOGNAME"].map((name) => Deno.env.get(name));
  return {
    by: names.find(Boolean) ?? userOf(Deno.uid()),
    host: Deno.hostname(),
  };
}

/** Returns what a user without a known name is called, by its number. */
export function userOf(uid: number | null): string {
  return uid === 0 ? "root" : `uid ${uid ?? "unknown"}`;
}

/** Returns the origin of a change by `caller` from `source`: the file, or the command. */
export function originOf(caller: Caller, source: string): Origin {
  return { ...caller, source: sourceName(source) };
}
