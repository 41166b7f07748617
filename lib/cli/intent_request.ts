// The request of a command that changes the intent, from its files and options.

import type { IntentRequest } from "../agent/api/intent_requests.ts";
import { Fault, oneLine } from "../util/errors.ts";
import { parseRevision } from "../util/revision_number.ts";
import { readIntentFiles } from "./intent_files.ts";
import { originOf } from "./origin.ts";
import type { Shell } from "./shell.ts";

/** A request, and a call that adds the place in the user's files to its faults. */
export interface AskedChange {
  readonly request: IntentRequest;
  readonly placed: <T>(ask: () => Promise<T>) => Promise<T>;
}

/** Returns how an intent is applied: --prune also deletes what it does not name. */
export function applyMode({ options }: Shell): IntentRequest["mode"] {
  return options.prune ? "replace" : "add";
}

/** Returns the request for the files of -f; prints their warnings. Faults: usage; those of readIntentFiles(). */
export async function intentRequest(
  { args, options, output, caller }: Shell,
  mode: IntentRequest["mode"],
): Promise<AskedChange> {
  const { files, force, strict } = options;
  if (files.length === 0 || files.includes("") || args.length > 0) {
    throw noFile(oneLine(args.join(" "), 60));
  }
  const { text, name, warnings, placed } = await readIntentFiles(files, { strict });
  for (const warning of warnings) output.message(`warning: ${warning}`);
  return {
    request: { mode, text, force, strict, origin: originOf(caller, name) },
    placed: async (ask) => {
      try {
        return await ask();
      } catch (error) {
        throw error instanceof Fault ? await placed(error) : error;
      }
    },
  };
}

/** Returns the fault of a command without -f, or with words that no option has as its value. */
function noFile(words: string): Fault {
  const fix = "add -f FILE, or -f - for stdin";
  if (words === "") return new Fault("usage", "no intent file is given", { fix });
  return new Fault("usage", `"${words}" has no option before it`, {
    fix: words.includes(" ") ? fix : `did you mean -f ${words}?`,
  });
}

/** Returns a request whose faults are about no file. */
export function asGiven(request: IntentRequest): AskedChange {
  return { request, placed: (ask) => ask() };
}

/** Returns the request to go back to a revision. Faults: usage. */
export function rollbackRequest(
  { options: { force }, caller }: Shell,
  revision: string,
): IntentRequest {
  const to = parseRevision(revision);
  return { mode: "rollback", text: "", to, force, origin: originOf(caller, `rollback ${to}`) };
}
