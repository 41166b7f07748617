// `why POD`: which rule puts a pod into which network, or why it is in none. `why ADDRESS`: who has it.

import type { WhyAnswer } from "../agent/api/diagnosis_requests.ts";
import { onePod } from "./pod_word.ts";
import { printValue, table } from "./output.ts";
import type { Command, Shell } from "./shell.ts";
import { isAddressWord, showAddress } from "./show_address.ts";

export const why: Command = {
  usage: "why [NAMESPACE/]POD | ADDRESS [-o table|json|yaml|name]\n" +
    "  POD: which rule put the pod into which network, with which address, or why it is in none;\n" +
    "  for a pod that does not exist yet, where it would go.\n" +
    "  ADDRESS: which pod or endpoint has it in each network, or what else it is there: held for a pod that\n" +
    "  may come back, gateway, reserved or free; exit code 0 also for those. A pod that is named like an\n" +
    "  address is NAMESPACE/NAME\n" +
    "  e.g. k8contivnet why shop/web-1; k8contivnet why 10.20.0.10",
  run: async (shell) => {
    const { args: [word = "", ...rest], options } = shell;
    if (rest.length === 0 && options.namespace === undefined && isAddressWord(word)) {
      return await showAddress(shell, word);
    }
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
