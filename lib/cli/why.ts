// `why POD`: which rule puts a pod into which network, or why it is in none.

import type { WhyAnswer } from "../agent/api.ts";
import { onePod } from "./pod_word.ts";
import { printValue, table } from "./output.ts";
import type { Command, Shell } from "./shell.ts";

export const why: Command = {
  usage: "why [NAMESPACE/]POD [-o table|json|yaml|name]\n" +
    "  shows which rule put the pod into which network, with which address, or why it is in none;\n" +
    "  for a pod that does not exist yet, where it would go\n" +
    "  e.g. k8contivnet why shop/web-1",
  run: async (shell) => {
    const answer = await shell.target.why(onePod("why", shell));
    if (!await printValue(shell, answer)) show(shell, answer);
  },
};

/** Each state as the predicate of a sentence. */
const STATES: Readonly<Record<WhyAnswer["state"], string>> = {
  attached: "is attached",
  expected: "is not attached; its set-up would give it",
  nowhere: "has no network",
  refused: "would be refused",
};

/** Prints the state, where the pod is or would be, and what else is known. */
function show({ options, output }: Shell, answer: WhyAnswer): void {
  const nameOf = ({ tenant, network }: WhyAnswer["places"][number]) => `${tenant}/${network}`;
  if (options.format === "name") return answer.places.forEach((one) => output.data(nameOf(one)));
  const { pod, state, places, reason, notes } = answer;
  const ending = reason ? `: ${reason}` : "";
  output.data(`pod ${pod.namespace}/${pod.name} ${STATES[state]}${ending}`);
  if (places.length > 0) {
    const cell = (text: string) => text || "-";
    const rows = places.map((one) => [
      nameOf(one),
      ...[one.address, one.interface, one.host, one.state, one.rule].map(cell),
    ]);
    output.data(table(["NETWORK", "ADDRESS", "INTERFACE", "HOST", "STATE", "BY"], rows));
  }
  for (const note of notes) output.data(`note: ${note}`);
}
