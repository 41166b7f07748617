// Who changes the intent, for its history: the user and the host that the command runs on.

import type { Origin } from "../agent/api.ts";
import { sourceName } from "./read_intent_file.ts";

/** User and host. */
export type Caller = Pick<Origin, "by" | "host">;

/** Returns who runs this process: the user behind sudo, as the agent's socket is root's. */
export function processCaller(): Caller {
  const names = ["SUDO_USER", "USER", "LOGNAME"].map((name) => Deno.env.get(name));
  return {
    by: names.find(Boolean) ?? `uid ${Deno.uid() ?? "unknown"}`,
    host: Deno.hostname(),
  };
}

/** Returns the origin of a change by `caller` from `source`: the file, or the command. */
export function originOf(caller: Caller, source: string): Origin {
  return { ...caller, source: sourceName(source) };
}
