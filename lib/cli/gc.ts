// `gc`: releases what this host's agent looks for in vain; `gc --host HOST`: gives up what a host has in
// the store that never comes back.

import type { GcAct, GcAnswer } from "../agent/api.ts";
import { Fault } from "../util/errors.ts";
import { LONG_NAME_LIMIT, parseName } from "../util/names.ts";
import { printLines } from "./output.ts";
import type { Command } from "./shell.ts";

export const gc: Command = {
  usage: "gc [--host HOST [--force]] [--dry-run] [-o table|json|name]\n" +
    "  without --host: pods of this host that have gone without a word are released now, where they\n" +
    "  are missing once more, and not only after their grace time.\n" +
    "  --host: for a host that is gone for good. Frees the addresses that set-ups took there, or holds\n" +
    "  them for their pods where the network says so, and unbinds the intent's endpoints, which keep\n" +
    "  their addresses, so that their pods may be set up elsewhere. Looks for two and a half heartbeats\n" +
    "  and is refused where the host's agent is alive; may be cut off, repeated, or run twice at once.\n" +
    "  Nobody can see whether pods of a host without an agent still use their addresses: you say so.\n" +
    "  --force: also a host that has never given a sign of life, as one with a store of its own\n" +
    "  e.g. k8contivnet gc --host host3 --dry-run",
  run: async ({ words, options, output, target }) => {
    const { host, dryRun, force, format } = options;
    if (words.length > 0 || host === "") {
      throw new Fault("usage", `gc got "${words.join(" ").slice(0, 60)}"`, {
        why: "it takes --host HOST, or nothing",
        fix: "k8contivnet gc --host host3 --dry-run",
      });
    }
    if (host !== undefined) {
      parseName("host", host, LONG_NAME_LIMIT);
      output.words(`looking whether host ${host} is silent`);
    }
    const answer = await target.gc({ ...host === undefined ? {} : { host }, dryRun, force });
    const { acts, left } = answer;
    if (format === "json") output.data(JSON.stringify(answer, null, 2));
    else if (format === "name") printLines(output, acts.map(({ endpoint }) => endpoint));
    else printLines(output, acts.map((act) => lineOf(act, dryRun)));
    for (const key of left) output.words(`record ${key} is left alone: it cannot be read`);
    output.words(ending(answer, dryRun));
  },
};

const WORDS = {
  release: ["release", "released"],
  hold: ["hold", "held"],
  unbind: ["unbind", "unbound"],
  forget: ["forget", "forgotten"],
} as const;

function lineOf({ act, endpoint, address, pod, pinned, dueMs }: GcAct, isDry: boolean): string {
  const [now, past] = WORDS[act];
  const whose = pod === "" ? "" : `, of pod ${pod}`;
  const pin = pinned ? "; pinned to that host: k8contivnet bind moves it" : "";
  const due = dueMs === undefined ? "" : `, by itself in ${Math.ceil(dueMs / 1_000)} s`;
  return `${isDry ? `would ${now}` : past} ${endpoint} ${address}${whose}${pin}${due}`;
}

function ending({ host, lastSeen, acts }: GcAnswer, isDry: boolean): string {
  const seen = lastSeen === undefined ? "" : `, last seen at ${lastSeen}`;
  const count = acts.length === 0 ? "nothing" : String(acts.length);
  return `host ${host}${seen}: ${count} ${isDry ? "to be given up" : "given up"}`;
}
