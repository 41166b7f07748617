// `capture --drops`: asks the agent for dropped packets, again and again, and writes them.

import type { CapturedDrop, SandboxRequest } from "../agent/api/diagnosis_requests.ts";
import { pause } from "../util/async/pause.ts";
import { unlessAborted } from "../util/async/unless_aborted.ts";
import { Fault, isUnreachable, oneLine } from "../util/errors.ts";
import { pcapngHead, pcapngPacket } from "./pcapng.ts";
import { onePod, podHere } from "./pod_word.ts";
import type { Shell } from "./shell.ts";

const AGAIN_MS = 1_000;
// An agent that restarts is waited for.
const MOST_OUTAGES = 30;

/** When a capture ends by itself; absent: not. */
export interface CaptureEnd {
  readonly count: number | undefined;
  readonly limitMs: number | undefined;
}

/** Writes dropped packets until there are `count`, the time is over, the reader is gone, or Ctrl-C. Faults: those of the agent. */
export async function captureDrops(
  shell: Shell,
  { count, limitMs }: CaptureEnd,
): Promise<void> {
  const { args, options, output, interrupt, tail } = shell;
  if (!["table", "json"].includes(options.format)) {
    throw new Fault("usage", `capture --drops has no -o ${options.format}`, {
      fix: "use -o json, or leave -o out: text on a terminal, else a pcapng file",
    });
  }
  if (tail.length > 0) {
    throw new Fault(
      "usage",
      "capture --drops takes a pod, --count, --timeout and -o json or table",
      {
        fix: "k8contivnet capture --drops shop/web-1",
      },
    );
  }
  const pod = args.length > 0 ? onePod("capture", shell) : undefined;
  if (pod) await podHere("capture", shell, pod);
  using _held = interrupt.hold();
  const over = limitMs === undefined ? [] : [AbortSignal.timeout(limitMs)];
  const signal = AbortSignal.any([interrupt.signal, ...over]);
  const isPcap = options.format === "table" && !options.isFormatGiven && !output.isTerminal;
  if (isPcap) output.bytes(pcapngHead());
  let [seen, missed] = [0, 0];
  const write = (drop: CapturedDrop) => {
    seen++;
    writeDrop(shell, drop, isPcap);
  };
  for await (const answer of answersOf(shell, pod, signal)) {
    missed += answer.missed;
    const left = count === undefined ? Infinity : count - seen;
    answer.drops.slice(0, left).forEach(write);
    if (seen === count || output.isClosed()) break;
  }
  output.note(ending({ seen, missed, pod: args[0] }));
}

/** Returns the last line. Who sees nothing may look at the wrong end: the receiver's host drops what may not arrive. */
function ending({ seen, missed, pod }: {
  readonly seen: number;
  readonly missed: number;
  readonly pod: string | undefined;
}): string {
  if (missed > 0) return `${seen} dropped packets, ${missed} more came too fast to be captured`;
  if (seen > 0) return `${seen} dropped packets`;
  const sent = pod === undefined
    ? "what pods here send may be dropped on the hosts of their peers"
    : `what ${oneLine(pod, 60)} sends may be dropped on the hosts of its peers`;
  return `0 dropped packets here; ${sent}`;
}

function writeDrop({ options, output }: Shell, drop: CapturedDrop, isPcap: boolean): void {
  const line = `${drop.at} dropped ${drop.message}`;
  if (options.format === "json") return output.data(JSON.stringify(drop));
  if (!isPcap) return output.data(line);
  output.bytes(pcapngPacket({
    bytes: Uint8Array.fromBase64(drop.packet),
    atMs: Date.parse(drop.at),
    comment: drop.message,
  }));
  output.note(line);
}

/** Returns the agent's answers, until the signal aborts; also those of an agent that was started again. */
async function* answersOf(
  { target, output }: Shell,
  pod: SandboxRequest | undefined,
  signal: AbortSignal,
) {
  if (!target.drops) {
    throw new Fault("usage", "capture needs the agent of this host", {
      fix: "run it without --store",
    });
  }
  let after: number | undefined;
  let [outages, isFirst] = [0, true];
  while (!signal.aborted) {
    try {
      const question = { ...after === undefined ? {} : { after }, ...pod ? { pod } : {} };
      const answer = await unlessAborted(target.drops(question), signal);
      if (isFirst && !answer.hasPolicies) output.message("no policy is in force on this host");
      if (isFirst) output.note("capturing what policies drop on this host; end it with Ctrl-C");
      [after, outages, isFirst] = [answer.next, 0, false];
      yield answer;
    } catch (error) {
      if (signal.aborted) return;
      if (isFirst || !isUnreachable(error) || ++outages > MOST_OUTAGES) throw error;
      if (outages === 1) output.message(`${oneLine((error as Error).message)}; waiting for it`);
      await pause(AGAIN_MS, signal);
    }
  }
}
