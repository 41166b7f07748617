// `gc --host HOST`: gives up what a host has in the store that never comes back.

import type { GcAct } from "../agent/api.ts";
import { Fault } from "../util/errors.ts";
import { LONG_NAME_LIMIT, parseName } from "../util/names.ts";
import type { Command } from "./shell.ts";

export const gc: Command = {
  usage: "gc --host HOST [--dry-run] [--force] [-o table|json|name]\n" +
    "  for a host that is gone for good: frees the addresses that set-ups took there, or holds them\n" +
    "  for their pods where the network says so, and unbinds the intent's endpoints, which keep their\n" +
    "  addresses, so that their pods may be set up elsewhere. Looks for two and a half heartbeats, and\n" +
    "  is refused where the host's agent is alive; it may be cut off, repeated, or run twice at once.\n" +
    "  Nobody can see whether pods of a host without an agent still use their addresses: you say so.\n" +
    "  --force: also a host that has never given a sign of life, as one with a store of its own\n" +
    "  e.g. k8contivnet gc --host host3 --dry-run",
  run: async ({ words, options, output, target }) => {
    const { host, dryRun, force, format } = options;
    if (!host || words.length > 0) {
      throw new Fault("usage", `gc got "${words.join(" ").slice(0, 60)}"`, {
        why: "it takes --host HOST",
        fix: "k8contivnet gc --host host3 --dry-run",
      });
    }
    parseName("host", host, LONG_NAME_LIMIT);
    output.words(`looking whether host ${host} is silent`);
    const answer = await target.gc({ host, dryRun, force });
    const { acts, left, lastSeen } = answer;
    if (format === "json") output.data(JSON.stringify(answer, null, 2));
    else if (format === "name") acts.forEach(({ endpoint }) => output.data(endpoint));
    else acts.forEach((act) => output.data(lineOf(act, dryRun)));
    for (const key of left) output.words(`record ${key} is left alone: it cannot be read`);
    const seen = lastSeen === undefined ? "" : `, last seen at ${lastSeen}`;
    const count = acts.length === 0 ? "nothing" : String(acts.length);
    output.words(`host ${host}${seen}: ${count} ${dryRun ? "to be given up" : "given up"}`);
  },
};

const WORDS = {
  release: ["release", "released"],
  hold: ["hold", "held"],
  unbind: ["unbind", "unbound"],
  forget: ["forget", "forgotten"],
} as const;

function lineOf({ act, endpoint, address, pod, pinned }: GcAct, isDry: boolean): string {
  const [now, past] = WORDS[act];
  const whose = pod === "" ? "" : `, of pod ${pod}`;
  const pin = pinned ? "; pinned to that host: k8contivnet bind moves it" : "";
  return `${isDry ? `would ${now}` : past} ${endpoint} ${address}${whose}${pin}`;
}
