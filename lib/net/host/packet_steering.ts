// Receive packet steering (RPS) of one link: the kernel takes what comes in by it on whichever processor the
// connection's hash says. Without it, ovs-vswitchd's only thread does the host's routing, too, with each frame that it
// writes to its internal port: a pod's stream outside then is a fifth slower than one to another pod
// (tests/bench/reach.ts, which measures a hand-made internal port beside ours).

import { run } from "../../util/run.ts";

const ONLINE = "/sys/devices/system/cpu/online";

/**
 * Spreads what comes in by `device` over all processors, unless an operator has chosen some. It is only faster: a
 * kernel without it, or a read-only /sys, is left as it is. Processors that are isolated (isolcpus=) are left out by
 * the kernel, from 5.9 on.
 */
export async function spreadReceiving(device: string): Promise<void> {
  const mask = `/sys/class/net/${device}/queues/rx-0/rps_cpus`;
  try {
    // Deno opens nothing below /sys without -A: a command does, started by one that may be.
    const desired = steeringMask(await run("nsenter", ["--", "cat", ONLINE, mask]));
    if (desired !== undefined) await run("nsenter", ["--", "tee", mask], { stdin: desired });
  } catch {
    // Frames arrive all the same.
  }
}

/**
 * Returns the mask to write, as `rps_cpus` has it: hexadecimal words of 32 bits (Linux,
 * Documentation/networking/scaling.rst); undefined where nothing has to change. `text` is the list of online
 * processors and, in the next line, the present mask. Pure.
 */
export function steeringMask(text: string): string | undefined {
  const [online = "", now = ""] = text.split("\n");
  const cpus = online.split(",").flatMap((part) => {
    const [first = NaN, last = first] = part.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  });
  // With one processor there is nobody to share with.
  if (cpus.length < 2 || !/^[0,]+$/.test(now)) return undefined;
  const bits = cpus.reduce((sum, cpu) => sum | 1n << BigInt(cpu), 0n);
  const digits = bits.toString(16);
  return digits.padStart(Math.ceil(digits.length / 8) * 8, "0").match(/.{8}/g)?.join();
}
