// `gc`: releases this host's attachments whose sandboxes are gone; `gc --host HOST`: removes from the store
// what a host has there that is lost for good.

import type { GcAct, GcAnswer } from "../agent/api/repair_requests.ts";
import { silentMs } from "../intent/heartbeats.ts";
import { LONG_NAME_LIMIT, parseName } from "../util/names.ts";
import { printLines, printValue } from "./output.ts";
import type { Command, Target } from "./shell.ts";
import { wrongWords } from "./wrong_words.ts";

export const gc: Command = {
  usage: "gc [--host HOST [--force]] [--dry-run] [-o table|json|yaml|name]\n" +
    "  without --host: releases pods of this host that disappeared without a teardown now, after one\n" +
    "  more check, instead of at the end of their grace period.\n" +
    "  --host: for a host that is lost for good. Releases the addresses that were allocated there at\n" +
    "  set-up, or holds them for their pods where the network is configured so, and unbinds the intent's\n" +
    "  endpoints, which keep their addresses, so that their pods can be set up elsewhere. Watches for two\n" +
    "  and a half heartbeats and refuses if the host's agent is alive. Can be interrupted, repeated, or\n" +
    "  run twice at once. Whether pods of a host without an agent still use their addresses cannot be\n" +
    "  seen from here: by running this you confirm that they do not.\n" +
    "  The host stays in the intent, if it is there: see delete -h. Of its records, only agents/HOST with the\n" +
    "  mark lost, and its index, stay: an agent that comes back sees there that it was removed.\n" +
    "  --force: also for a host that has never sent a heartbeat, such as one with a store of its own\n" +
    "  e.g. k8contivnet gc --host host3 --dry-run",
  run: async ({ args, options, output, target }) => {
    const { host, dryRun, force, format } = options;
    if (args.length > 0) {
      throw wrongWords("gc", args, {
        takes: "--host HOST, or nothing",
        fix: "k8contivnet gc --host host3 --dry-run",
      });
    }
    if (host !== undefined) {
      parseName("host", host, LONG_NAME_LIMIT);
      const time = await watchTime(target, host);
      if (time !== undefined) output.note(`watching for heartbeats of host ${host}${time}`);
    }
    const answer = await target.gc({ ...host === undefined ? {} : { host }, dryRun, force });
    const { acts, left } = answer;
    const isPrinted = await printValue({ options, output }, answer);
    if (format === "name") printLines(output, acts.map(({ endpoint }) => endpoint));
    else if (!isPrinted) printLines(output, acts.map((act) => lineOf(act, dryRun)));
    for (const key of left) output.message(`record ${key} left in place: it cannot be read`);
    output.note(ending(answer, dryRun));
    if (answer.isInIntent) {
      const file = JSON.stringify({ Hosts: [{ Name: answer.host }] });
      output.message(
        `host ${answer.host} is still in the intent; to delete it: echo '${file}' | k8contivnet delete -f -`,
      );
    }
  },
};

/**
 * Returns for how long a host's heartbeats are watched, as ` for 25 s`; empty where that is not known: its removal says
 * why, then. Undefined for a host that is marked as lost, which is not watched.
 */
async function watchTime(
  target: Pick<Target, "list">,
  host: string,
): Promise<string | undefined> {
  try {
    const found = (await target.list("reports")).find(({ name }) => name === host) ?? {};
    if (found.lost === true) return undefined;
    const { everyMs } = found;
    return typeof everyMs === "number" ? ` for ${Math.ceil(silentMs({ everyMs }) / 1_000)} s` : "";
  } catch {
    return "";
  }
}

/** Each act, in the present for --dry-run and in the past. */
const VERBS = {
  release: ["release", "released"],
  hold: ["hold", "held"],
  unbind: ["unbind", "unbound"],
  forget: ["forget", "forgotten"],
} as const;

/** Returns one act as a line. */
function lineOf({ act, endpoint, address, pod, pinned, dueMs }: GcAct, isDry: boolean): string {
  const [now, past] = VERBS[act];
  const owner = pod === "" ? "" : `, of pod ${pod}`;
  const pin = pinned ? "; pinned to that host, use k8contivnet bind to move it" : "";
  const due = dueMs === undefined ? "" : `, by itself in ${Math.ceil(dueMs / 1_000)} s`;
  return `${isDry ? `would ${now}` : past} ${endpoint} ${address}${owner}${pin}${due}`;
}

/** Returns the last line: the host and how many acts there were. */
function ending({ host, lastSeen, acts }: GcAnswer, isDry: boolean): string {
  const seen = lastSeen === undefined ? "" : `, last seen at ${lastSeen}`;
  const [count, verb] = [acts.length, isDry ? "to be removed" : "removed"];
  if (count === 0) return `host ${host}${seen}: nothing ${verb}`;
  return `host ${host}${seen}: ${
    count === 1 ? "1 endpoint" : `${count} endpoints`
  } ${verb} from it`;
}
