// Sends ICMP echo requests from a pod, with the host's ping(8).

import { Fault } from "../../util/errors.ts";
import { runToEnd } from "../../util/run.ts";
import type { SandboxAnswer } from "../api/diagnosis_requests.ts";
import { type PingResult, pingResultOf } from "./ping_output.ts";

const INTERVAL_S = 0.2;
// After the last request: the wait for its answer, and a busy machine.
const REST_MS = 20_000;

/** Sends `count` requests from the pod to an address. Faults: unavailable, without nsenter or ping; failed; timeout. */
export async function pingInSandbox(
  { netns }: Pick<SandboxAnswer, "netns">,
  address: string,
  count: number,
): Promise<PingResult> {
  const ping = [
    "env",
    "LC_ALL=C",
    "ping",
    "-n",
    "-q",
    `-c${count}`,
    `-i${INTERVAL_S}`,
    "-W2",
    address,
  ];
  const { stdout, stderr } = await runToEnd("nsenter", [`--net=${netns}`, "--", ...ping], {
    limitMs: count * INTERVAL_S * 1_000 + REST_MS,
  });
  const result = pingResultOf(stdout);
  if (result) return result;
  if (/Network is unreachable/.test(stderr)) return { sent: 0, received: 0, hasNoRoute: true };
  if (/No such file or directory/.test(stderr)) {
    throw new Fault("unavailable", "ping is not installed on this host", {
      fix: "install it (Debian: iputils-ping)",
    });
  }
  throw new Fault("failed", "ping failed", {
    why: (stderr || stdout).split("\n")[0],
    fix: `see "nsenter --net=${netns} ping ${address}"`,
  });
}
