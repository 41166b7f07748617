// The kubelet's exec network plugin: `init`, `setup`, `teardown`, `status`, `help`.
// Kubelets call VERB NAMESPACE NAME ID, read stdout and stderr as one, set no time limit, and before
// 1.2 never repeat a failed setup: so waiting and repeating happen here.
// Start-up is what a pod pays: no npm package, no node: module, no subprocess.

import {
  DEFAULT_SOCKET,
  DEFAULT_STATE_DIR,
  type PodRequest,
  type StatusAnswer,
  statusText,
} from "../agent/api.ts";
import { askAgent } from "../agent/client.ts";
import { Fault, FAULT_CODES, faultFrom, isUnreachable } from "../util/errors.ts";
import { LONG_NAME_LIMIT, parseName, parseSandboxId } from "../util/names.ts";

/** What the face needs of the process, so that tests can be plain data. */
export interface ExecIo {
  readonly env: (name: string) => string | undefined;
  readonly out: (text: string) => void;
  readonly err: (line: string) => void;
}

/** Returns the process's own streams and environment. */
export function processIo(): ExecIo {
  const write = (stream: { writeSync(bytes: Uint8Array): number }, text: string) => {
    const bytes = new TextEncoder().encode(text);
    for (let done = 0; done < bytes.length;) done += stream.writeSync(bytes.subarray(done));
  };
  return {
    env: (name) => Deno.env.get(name),
    out: (text) => write(Deno.stdout, text),
    err: (line) => write(Deno.stderr, `${line}\n`),
  };
}

const HELP = `k8contivnet as a kubelet exec network plugin:

  k8contivnet init
  k8contivnet setup    NAMESPACE NAME INFRA-CONTAINER-ID
  k8contivnet teardown NAMESPACE NAME INFRA-CONTAINER-ID
  k8contivnet status   NAMESPACE NAME INFRA-CONTAINER-ID

The namespace comes first, as kubelets call it. The agent does the work: "k8contivnet netplugin -h".
Everything else the file can do: "k8contivnet -h".

environment:
  K8CONTIVNET_SOCKET         agent's socket (${DEFAULT_SOCKET})
  K8CONTIVNET_STATE_DIR      where a teardown leaves a note while the agent is away (${DEFAULT_STATE_DIR})
  K8CONTIVNET_SETUP_SECONDS  how long setup keeps trying (60)
  K8CONTIVNET_DOOR           none: do not let the file's shell header ask the agent by itself

exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict or exhausted, 5 unavailable, 6 timed out
`;

/** Runs one verb and gives the exit code. */
export async function execMain(args: readonly string[], io: ExecIo): Promise<number> {
  try {
    await runVerb(args, io);
    return 0;
  } catch (error) {
    const fault = faultFrom(error);
    io.err(`k8contivnet: ${fault.message}`);
    return FAULT_CODES[fault.code].exit;
  }
}

async function runVerb(args: readonly string[], io: ExecIo): Promise<void> {
  const [verb = "help", ...words] = args;
  if (verb === "help" || words.includes("-h") || words.includes("--help")) return io.out(HELP);
  if (verb === "init") return await init(io);
  const pod = parsePod(verb, words);
  if (verb === "setup") return await setup(pod, io);
  if (verb === "teardown") return await teardown(pod, io);
  return await status(pod, io);
}

function parsePod(verb: string, words: readonly string[]): PodRequest {
  const [namespace, name, sandbox] = words;
  if (words.length !== 3 || !namespace || !name || !sandbox) {
    throw new Fault("usage", `${verb} got ${words.length} words`, {
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

const socketOf = (io: ExecIo) => io.env("K8CONTIVNET_SOCKET") || DEFAULT_SOCKET;

/** A failing init keeps a kubelet from starting: an agent that is away is only worth a line. */
async function init(io: ExecIo): Promise<void> {
  try {
    await askAgent({ socket: socketOf(io), method: "GET", path: "/v1/health", limitMs: 2_000 });
  } catch (error) {
    io.err(`k8contivnet: ${faultFrom(error).message}`);
  }
}

/** An agent that is well has answered by then: Docker 3 s, Open vSwitch 8 s, undo 1.5 s. */
const ANSWER_MS = 15_000;

async function setup(pod: PodRequest, io: ExecIo): Promise<void> {
  const seconds = Number(io.env("K8CONTIVNET_SETUP_SECONDS") ?? 60);
  const limitMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : 60_000;
  await repeatedly(limitMs, (leftMs) =>
    askAgent({
      socket: socketOf(io),
      path: "/v1/setup",
      body: pod,
      // The agent's own limits are shorter; this one is for an agent that hangs.
      limitMs: Math.max(leftMs, ANSWER_MS),
    }));
}

const TEARDOWN_LIMIT_MS = 5_000;

async function teardown(pod: PodRequest, io: ExecIo): Promise<void> {
  try {
    await repeatedly(
      TEARDOWN_LIMIT_MS,
      () => askAgent({ socket: socketOf(io), path: "/v1/teardown", body: pod, limitMs: 30_000 }),
    );
  } catch (error) {
    const fault = faultFrom(error);
    if (!isUnreachable(fault)) throw fault;
    await leaveNote(pod, io.env("K8CONTIVNET_STATE_DIR") || DEFAULT_STATE_DIR);
  }
}

/** A note that the agent handles at its start; written beside and renamed, so never half there. */
async function leaveNote(pod: PodRequest, stateDir: string): Promise<void> {
  const dir = `${stateDir}/teardown`;
  const path = `${dir}/${pod.sandbox}`;
  try {
    await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
    await Deno.writeTextFile(`${path}.new`, JSON.stringify(pod), { mode: 0o600 });
    await Deno.rename(`${path}.new`, path);
  } catch (cause) {
    throw new Fault("unavailable", `teardown of ${pod.namespace}/${pod.name} is not done`, {
      why: `the agent is away and no note can be left in ${dir}`,
      fix: "start the agent, then tear down again",
      cause,
    });
  }
}

/** An unknown pod, or an agent that is away, prints nothing: any other word breaks the kubelet's JSON. */
async function status(pod: PodRequest, io: ExecIo): Promise<void> {
  const answer = await askAgent<StatusAnswer>({
    socket: socketOf(io),
    path: "/v1/status",
    body: pod,
    limitMs: 5_000,
  }).catch((): StatusAnswer => ({}));
  if (!answer.ip) return;
  io.out(statusText(answer.ip));
}

/** Repeats `attempt` while what it needs is unavailable, for `limitMs` in all. */
async function repeatedly<T>(
  limitMs: number,
  attempt: (leftMs: number) => Promise<T>,
): Promise<T> {
  const end = performance.now() + limitMs;
  for (let pauseMs = 50;; pauseMs = Math.min(1_000, pauseMs * 2)) {
    const started = performance.now();
    try {
      return await attempt(Math.max(1_000, Math.ceil(end - started)));
    } catch (error) {
      // The next attempt will take about as long as this one did.
      const now = performance.now();
      const canWait = now + pauseMs + (now - started) < end;
      if (!(error instanceof Fault && error.code === "unavailable" && canWait)) throw error;
      await new Promise((done) => setTimeout(done, pauseMs));
    }
  }
}
