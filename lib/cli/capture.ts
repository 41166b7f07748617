// `capture POD`: the packets of a pod, by tcpdump in its network namespace. `capture --drops [POD]`: the packets that
// policies of this host drop.

import type { SandboxAnswer } from "../agent/api.ts";
import { Fault } from "../util/errors.ts";
import { captureDrops } from "./capture_drops.ts";
import { parseCount } from "./count.ts";
import { becomeIn } from "./exec_command.ts";
import { onePod, podHere } from "./pod_word.ts";
import type { Command, Shell } from "./shell.ts";

const MOST = 1_000_000_000;

export const capture: Command = {
  usage:
    "capture [NAMESPACE/]POD [--count N] [-- FILTER…] | capture --drops [POD] [--count N] [-o json]\n" +
    "  packets of a pod of this host: as text on a terminal, else as a pcap file on standard output, until\n" +
    "  N packets or Ctrl-C. What follows -- goes to tcpdump: a filter, or its options; needs root and tcpdump\n" +
    "  --drops: what policies drop in this host's switch, with the policy's name: as text on a terminal,\n" +
    "  else as a pcapng file with a comment for each packet; up to 100 packets a second\n" +
    "  e.g. k8contivnet capture shop/web-1 --count 2 -- icmp > web-1.pcap",
  takesTail: true,
  run: async (shell) => {
    const { options, tail } = shell;
    const count = parseCount(options.count, { standard: undefined, most: MOST });
    if (options.drops) return await captureDrops(shell, count);
    if (options.format !== "table") {
      throw new Fault("usage", `capture has no -o ${options.format}`, {
        why: "tcpdump prints text, or a pcap file",
        fix: "leave -o out, or add --drops",
      });
    }
    const place = await podHere("capture", shell, onePod("capture", shell));
    return await becomeIn(shell, place, tcpdump(place, { count, tail, shell }));
  },
};

/** Returns the command: on the pod's interface, on all if there are several. */
export function tcpdump(
  { interfaces }: Pick<SandboxAnswer, "interfaces">,
  { count, tail, shell: { output } }: {
    readonly count: number | undefined;
    readonly tail: readonly string[];
    readonly shell: { readonly output: Pick<Shell["output"], "isTerminal"> };
  },
): string[] {
  const [first, ...others] = interfaces;
  return [
    "tcpdump",
    ...["-i", first && others.length === 0 ? first.name : "any"],
    ...output.isTerminal ? ["-n", "-l"] : ["-U", "-w", "-"],
    ...count === undefined ? [] : ["-c", String(count)],
    ...tail,
  ];
}
