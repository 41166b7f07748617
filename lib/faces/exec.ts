// The kubelet's exec network plugin: `init`, `setup`, `teardown`, `status`, `help`.
//
// Kubelets call VERB NAMESPACE NAME ID, read stdout and stderr as one stream, set no time limit, and before 1.2 never
// retry a failed setup: so waits and retries happen here. Every pod pays for the start-up of this file: no npm package,
// no node: module, no subprocess.

import { DEFAULT_SOCKET } from "../agent/api/agent_socket.ts";
import { type PodRequest, type StatusAnswer, statusText } from "../agent/api/pod_requests.ts";
import { askAgent } from "../agent/client.ts";
import { Fault, FAULT_CODES, faultFrom, isUnreachable } from "../util/errors.ts";
import { LONG_NAME_LIMIT, parseName, parseSandboxId } from "../util/names.ts";
import { readSeconds } from "../util/read_settings.ts";
import { type FaceIo, processIo } from "./process_io.ts";
import { launcherWaitMs, repeatedly } from "./repeatedly.ts";
import { leaveNote, notesFolder } from "./teardown_note.ts";

const HELP = `k8contivnet as a kubelet exec network plugin:

  k8contivnet init
  k8contivnet setup    NAMESPACE NAME INFRA-CONTAINER-ID
  k8contivnet teardown NAMESPACE NAME INFRA-CONTAINER-ID
  k8contivnet status   NAMESPACE NAME INFRA-CONTAINER-ID

The namespace comes first, as kubelets pass it. The agent does the work: see "k8contivnet netplugin -h".
For all other commands of this file see "k8contivnet -h".

environment:
  K8CONTIVNET_SOCKET         socket of the agent (${DEFAULT_SOCKET})
  K8CONTIVNET_STATE_DIR      the agent's --state-dir: teardown leaves its note there if the agent is unreachable
                             (default: in the folder <socket>.notes, where every agent finds it)
  K8CONTIVNET_SETUP_SECONDS  how long setup retries: seconds, or e.g. 2m (60)
  K8CONTIVNET_DOOR           none: the launcher of this file does not ask the agent, this program does

exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict or exhausted, 5 unavailable, 6 timed out
`;

/** Runs one verb; returns the exit code, of FAULT_CODES. */
export async function execMain(
  args: readonly string[],
  io: FaceIo = processIo(),
): Promise<number> {
  try {
    await runVerb(args, io);
    return 0;
  } catch (error) {
    const fault = faultFrom(error);
    io.err(`k8contivnet: ${fault.message}`);
    return FAULT_CODES[fault.code].exit;
  }
}

/** Runs one verb. Faults: usage; those of the agent. */
async function runVerb(args: readonly string[], io: FaceIo): Promise<void> {
  const [verb = "help", ...words] = args;
  if (verb === "help" || words.includes("-h") || words.includes("--help")) return io.out(HELP);
  if (verb === "init") return await init(io);
  const pod = parsePod(verb, words);
  if (verb === "setup") return await setup(pod, io);
  if (verb === "teardown") return await teardown(pod, io);
  return await status(pod, io);
}

/** Parses the three arguments of a verb. Faults: usage. */
function parsePod(verb: string, words: readonly string[]): PodRequest {
  const [namespace, name, sandbox] = words;
  if (words.length !== 3 || !namespace || !name || !sandbox) {
    throw new Fault("usage", `${verb} got ${words.length} arguments`, {
      why: "it takes 3",
      fix: `k8contivnet ${verb} NAMESPACE NAME INFRA-CONTAINER-ID`,
    });
  }
  return {
    namespace: parseName("namespace", namespace, LONG_NAME_LIMIT),
    name: parseName("pod name", name, LONG_NAME_LIMIT),
    sandbox: parseSandboxId(sandbox),
  };
}

const waitedMs = (io: FaceIo) => launcherWaitMs(io.env("K8CONTIVNET_WAITED"));
const socketOf = (io: FaceIo) => io.env("K8CONTIVNET_SOCKET") || DEFAULT_SOCKET;

/** Never fails, as that would keep the kubelet from starting: an unreachable agent is only reported in a line. */
async function init(io: FaceIo): Promise<void> {
  try {
    await askAgent({
      socket: socketOf(io),
      method: "GET",
      path: "/v1/health",
      limitMs: INIT_LIMIT_MS,
    });
  } catch (error) {
    io.err(`k8contivnet: ${faultFrom(error).message}`);
  }
}

/** Limit of the health check of `init`. */
const INIT_LIMIT_MS = 2_000;
/** An agent that works has answered by then: Docker 3 s, Open vSwitch 8 s, undo 1.5 s. */
const ANSWER_MS = 15_000;
/** For so long a teardown is retried. */
const TEARDOWN_LIMIT_MS = 5_000;
/** Limit of one attempt of a teardown. */
const TEARDOWN_ANSWER_MS = 30_000;
const STATUS_LIMIT_MS = 5_000;

/** Retries until the pod is set up, for K8CONTIVNET_SETUP_SECONDS. Faults: usage; of the agent. */
async function setup(pod: PodRequest, io: FaceIo): Promise<void> {
  const name = "K8CONTIVNET_SETUP_SECONDS";
  const seconds = readSeconds(name, io.env(name)?.trim() || "60", { least: 0.001, most: 86_399 });
  await repeatedly(seconds * 1_000 - waitedMs(io), (leftMs) =>
    askAgent({
      socket: socketOf(io),
      path: "/v1/setup",
      body: pod,
      // The agent's own limits are shorter; this one is for an agent that hangs.
      limitMs: Math.max(leftMs, ANSWER_MS),
    }));
}

/** Tears the pod down, or leaves a note if the agent is unreachable. Faults: of the agent. */
async function teardown(pod: PodRequest, io: FaceIo): Promise<void> {
  try {
    await repeatedly(
      TEARDOWN_LIMIT_MS - waitedMs(io),
      () =>
        askAgent({
          socket: socketOf(io),
          path: "/v1/teardown",
          body: pod,
          limitMs: TEARDOWN_ANSWER_MS,
        }),
    );
  } catch (error) {
    const fault = faultFrom(error);
    if (!isUnreachable(fault)) throw fault;
    await leaveNote(notesFolder(socketOf(io), io), {
      name: pod.sandbox,
      text: JSON.stringify(pod),
      what: `teardown of ${pod.namespace}/${pod.name}`,
    });
  }
}

/** Prints nothing for an unknown pod or an unreachable agent: the kubelet parses all output as JSON. */
async function status(pod: PodRequest, io: FaceIo): Promise<void> {
  const answer = await askAgent<StatusAnswer>({
    socket: socketOf(io),
    path: "/v1/status",
    body: pod,
    limitMs: STATUS_LIMIT_MS,
  }).catch((): StatusAnswer => ({}));
  if (!answer.ip) return;
  io.out(statusText(answer.ip));
}
