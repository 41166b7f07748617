// `exec POD -- CMD`: a command of this host in a pod's network namespace.

import { Fault, oneLine } from "../util/errors.ts";
import { onePod, podHere } from "./pod_word.ts";
import type { Command, Shell } from "./shell.ts";

/** Exit codes of a command that is not there, and of one that cannot be executed, as shells have them. */
const [NOT_FOUND, NOT_EXECUTED] = [127, 126];

export const exec: Command = {
  usage: "exec [NAMESPACE/]POD -- COMMAND [ARGUMENT…]\n" +
    "  runs a command of this host in the network namespace of a pod of this host: with its interfaces,\n" +
    "  routes and ports, and this host's files; needs root. The exit code is the command's\n" +
    "  e.g. k8contivnet exec shop/web-1 -- ip route",
  takesTail: true,
  run: async (shell) => {
    if (shell.tail.length === 0) {
      throw new Fault("usage", "exec got no command", {
        why: "the command stands behind --",
        fix: `k8contivnet exec ${oneLine(shell.args[0] ?? "POD", 60)} -- ip address`,
      });
    }
    const place = await podHere("exec", shell, onePod("exec", shell));
    return await becomeIn(shell, place, shell.tail);
  },
};

/** Becomes a command in a pod's network namespace; returns an exit code if that fails. Faults: as the agent's. */
export async function becomeIn(
  { output }: Pick<Shell, "output">,
  place: Parameters<typeof import("../agent/diagnose/become_in_sandbox.ts").becomeInSandbox>[0],
  command: readonly string[],
): Promise<number> {
  const { becomeInSandbox } = await import("../agent/diagnose/become_in_sandbox.ts");
  const refusal = becomeInSandbox(place, command);
  const isMissing = refusal.is("ENOENT");
  output.message(
    `k8contivnet: ${oneLine(command[0] ?? "", 60)} ${
      isMissing ? "is not installed on this host" : `cannot be executed: ${refusal.why}`
    }`,
  );
  return isMissing ? NOT_FOUND : NOT_EXECUTED;
}
