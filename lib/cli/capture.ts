// `capture POD`: the packets of a pod, by tcpdump in its network namespace. `capture --drops [POD]`: the packets that
// policies of this host drop.

import type { SandboxAnswer } from "../agent/api/diagnosis_requests.ts";
import { Fault } from "../util/errors.ts";
import { captureDrops } from "./capture_drops.ts";
import { readSeconds } from "../util/read_settings.ts";
import { parseCount } from "./count.ts";
import { becomeIn } from "./exec_command.ts";
import { onePod, podHere } from "./pod_word.ts";
import type { Command, Shell } from "./shell.ts";

const MOST = 1_000_000_000;
const MOST_SECONDS = 86_400;

export const capture: Command = {
  usage: "capture [NAMESPACE/]POD [--count N] [--timeout SECONDS] [-- FILTER…] |\n" +
    "  capture --drops [POD] [--count N] [--timeout SECONDS] [-o json|table]\n" +
    "  packets of a pod of this host: as text on a terminal, else as a pcap file on standard output, until\n" +
    "  N packets, SECONDS or Ctrl-C. What follows -- goes to tcpdump: a filter, or its options; needs root and tcpdump\n" +
    "  --drops: what policies drop in this host's switch, with the policy's name: as text on a terminal and with\n" +
    "  -o table, else as a pcapng file with a comment for each packet, which wireshark shows, as does -o json here,\n" +
    "  and tcpdump does not; up to 100 packets a second. A rule of Direction in drops on the receiver's host\n" +
    "  e.g. k8contivnet capture shop/web-1 --count 2 -- icmp > web-1.pcap",
  takesTail: true,
  run: async (shell) => {
    const { options, tail } = shell;
    const count = parseCount(options.count, { standard: undefined, most: MOST });
    const seconds = options.timeout === undefined
      ? undefined
      : readSeconds("--timeout", options.timeout, { least: 1, most: MOST_SECONDS });
    if (options.drops) {
      const limitMs = seconds === undefined ? undefined : seconds * 1_000;
      return await captureDrops(shell, { count, limitMs });
    }
    if (options.format !== "table") {
      throw new Fault("usage", `capture has no -o ${options.format}`, {
        why: "tcpdump prints text, or a pcap file",
        fix: "leave -o out, or add --drops",
      });
    }
    const place = await podHere("capture", shell, onePod("capture", shell));
    return await becomeIn(shell, place, tcpdump(place, { count, seconds, tail, shell }));
  },
};

/** Returns the command: on the pod's interface, on all if there are several. */
export function tcpdump(
  { interfaces }: Pick<SandboxAnswer, "interfaces">,
  { count, seconds, tail, shell: { output } }: {
    readonly count: number | undefined;
    readonly seconds?: number | undefined;
    readonly tail: readonly string[];
    readonly shell: { readonly output: Pick<Shell["output"], "isTerminal"> };
  },
): string[] {
  const [first, ...others] = interfaces;
  // Its end is tcpdump's own, as at Ctrl-C: with the packets so far, and with its exit code.
  const limit = ["timeout", "--foreground", "--preserve-status", "--signal=INT", String(seconds)];
  return [
    ...seconds === undefined ? [] : limit,
    "tcpdump",
    ...["-i", first && others.length === 0 ? first.name : "any"],
    ...output.isTerminal ? ["-n", "-l"] : ["-U", "-w", "-"],
    ...count === undefined ? [] : ["-c", String(count)],
    ...tail,
  ];
}
