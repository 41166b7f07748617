// Answers the calls of CNI runtimes: the one entry for launchers, faces and notes of deletions. Work for
// one container is done one call after another.

import { cniErrorFrom, errorToJson } from "../../cni/cni_answers.ts";
import { resultToJson } from "../../cni/cni_result.ts";
import { CNI_CODES, type CniCall, type CniInput } from "../../cni/cni_types.ts";
import { parseCall } from "../../cni/parse_call.ts";
import { answerVersionOf } from "../../cni/parse_config.ts";
import type { Debounce } from "../../util/async/debounce.ts";
import { oneLine } from "../../util/errors.ts";
import { inScope } from "../../util/fault_hooks.ts";
import type { Log } from "../../util/log.ts";
import type { CniAnswer, SetupOutcome } from "../api/pod_requests.ts";
import type { Sandboxes } from "../pods/sandboxes.ts";
import { addInterface, type CniAddDeps } from "./cni_add.ts";
import { checkInterface, type CniCheckDeps } from "./cni_check.ts";
import { type CniDelDeps, collectStale, deleteInterface } from "./cni_del.ts";
import { checkStatus, type CniStatusDeps } from "./cni_status.ts";

/** What answering works with. */
export interface CniDeps {
  readonly add: CniAddDeps;
  readonly del: CniDelDeps;
  readonly check: CniCheckDeps;
  readonly status: CniStatusDeps;
  readonly sandboxes: Pick<Sandboxes, "queue">;
  readonly setups: {
    count<T extends { readonly outcome: SetupOutcome }>(work: () => Promise<T>): Promise<T>;
  };
  readonly memoryTrim: Pick<Debounce, "note">;
  readonly log: Pick<Log, "debug" | "warn">;
}

/** Returns what the plugin prints, and its exit code. Never throws. */
export async function answerCni(deps: CniDeps, input: CniInput): Promise<CniAnswer> {
  try {
    const call = parseCall(input);
    return { exit: 0, output: await outputOf(deps, call, input.isRetry ?? false) };
  } catch (error) {
    return errorAnswer(deps, input, error);
  }
}

function errorAnswer({ log }: CniDeps, input: CniInput, error: unknown): CniAnswer {
  const { command, containerId, ifname } = input;
  const fault = cniErrorFrom(error);
  const { code, message, details } = fault;
  if (code === CNI_CODES.failed) log.debug(String((error as Error)?.stack ?? error));
  log.warn(`CNI call failed with code ${code}: ${message}${details ? `: ${details}` : ""}`, {
    command: oneLine(command, 20),
    container: oneLine(containerId, 64) || undefined,
    interface: oneLine(ifname, 15) || undefined,
  });
  const isTransient = code === CNI_CODES.tryAgain;
  return {
    exit: 1,
    output: errorToJson(answerVersionOf(input.config), fault),
    ...(isTransient && { isTransient }),
  };
}

async function outputOf(deps: CniDeps, call: CniCall, isRetry: boolean): Promise<string> {
  const { sandboxes: { queue }, memoryTrim } = deps;
  const { config, containerId } = call;
  switch (call.command) {
    case "ADD":
      memoryTrim.note();
      return await queue.run(containerId, () => inScope("cni-add", () => add(deps, call, isRetry)));
    case "DEL":
      memoryTrim.note();
      await queue.run(
        containerId,
        () => inScope("cni-del", () => deleteInterface(deps.del, call)),
      );
      return "";
    case "CHECK":
      await queue.run(containerId, () => checkInterface(deps.check, call));
      return "";
    case "GC":
      await inScope("cni-gc", () => collectStale(deps.del, call));
      return "";
    case "STATUS":
      await checkStatus(deps.status, config);
      return "";
  }
}

async function add(deps: CniDeps, call: CniCall, isRetry: boolean): Promise<string> {
  const { result } = await deps.setups.count(async () => {
    const result = await addInterface(deps.add, call, { isRetry });
    return { outcome: "ready" as const, result };
  });
  return resultToJson(call.config.cniVersion, result);
}
