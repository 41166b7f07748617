// The file of the events in the state folder: they outlive the agent that saw them.

import { pause } from "../util/async/pause.ts";
import { faultFrom } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import type { EventLog } from "./event_log.ts";

// A few hundred KB each time: not for every event.
const SAVE_MS = 10_000;

/** Takes over what an earlier agent has saved, if it is readable. */
export async function restoreEvents(path: string, events: EventLog): Promise<void> {
  try {
    const saved: unknown = JSON.parse(await Deno.readTextFile(path));
    if (Array.isArray(saved)) {
      events.restore(saved.filter((one) => typeof one?.message === "string"));
    }
  } catch {
    // The first start, or a file of half its length after a power cut: history is lost, nothing else.
  }
}

/** Saves new events now and then, and once more when `signal` aborts. Never rejects. */
export async function keepEvents(
  path: string,
  events: EventLog,
  log: Pick<Log, "debug">,
  signal: AbortSignal,
): Promise<void> {
  let saved = events.count;
  do {
    await pause(SAVE_MS, signal);
    if (events.count === saved) continue;
    const { count } = events;
    try {
      await Deno.writeTextFile(`${path}.new`, JSON.stringify(events.list()), { mode: 0o600 });
      await Deno.rename(`${path}.new`, path);
      saved = count;
    } catch (error) {
      log.debug(`events not saved: ${faultFrom(error).message}`);
    }
  } while (!signal.aborted);
}
