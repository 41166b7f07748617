// Pods as people write them: `NAMESPACE/NAME`, or a name with -n. Also finds where one of this host runs.

import type { SandboxAnswer, SandboxRequest } from "../agent/api/diagnosis_requests.ts";
import { Fault, oneLine } from "../util/errors.ts";
import { LONG_NAME_LIMIT, parseName } from "../util/names.ts";
import type { Shell } from "./shell.ts";
import { wrongWords } from "./wrong_words.ts";

/** Returns the pod of `NAMESPACE/NAME`, or of `NAME` in `namespace`. Faults: usage. */
export function parsePod(word: string, namespace = "default"): SandboxRequest {
  const [first = "", second, ...more] = word.split("/");
  if (more.length > 0) {
    throw new Fault("usage", `"${oneLine(word, 60)}" is not a pod`, { fix: "use NAMESPACE/NAME" });
  }
  return {
    namespace: parseName("namespace", second === undefined ? namespace : first, LONG_NAME_LIMIT),
    name: parseName("pod name", second ?? first, LONG_NAME_LIMIT),
  };
}

/** Returns the one pod that a command was given. Faults: usage. */
export function onePod(command: string, { args, options }: Shell): SandboxRequest {
  const [word, ...rest] = args;
  if (!word || rest.length > 0) {
    throw wrongWords(command, args, {
      takes: "one pod",
      fix: `k8contivnet ${command} NAMESPACE/NAME`,
    });
  }
  return parsePod(word, options.namespace);
}

/** Returns where a pod of this host runs. Faults: usage, with --store; those of the agent. */
export async function podHere(
  command: string,
  { target }: Shell,
  pod: SandboxRequest,
): Promise<SandboxAnswer> {
  if (!target.sandbox) {
    throw new Fault("usage", `${command} needs the agent of this host`, {
      fix: "run it without --store",
    });
  }
  return await target.sandbox(pod);
}
