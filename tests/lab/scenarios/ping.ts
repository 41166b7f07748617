// Pings that prove something: which pod got the packet, or that none did.

import { sniff } from "../cluster/sniff.ts";
import type { Pod } from "../pod.ts";
import { waitFor } from "../wait.ts";

/** The first packet is answered, and it was `target` that got it; throws otherwise. */
export async function reaches(
  from: Pod,
  address: string,
  target: Pod,
  limitMs?: number,
): Promise<void> {
  await using sniffer = await sniff(target.id, "any", "icmp");
  if (!await from.reaches(address)) throw new Error(`${address} did not answer`);
  await sniffer.hears("echo request", limitMs);
}

/**
 * No answer, even with a route made by hand, and nothing has come to `target`, whose address it is,
 * or was where it is not attached any more; throws otherwise.
 */
export async function misses(
  from: Pod,
  address: string,
  target: Pod,
  isAttached: () => Promise<boolean> = () => Promise.resolve(true),
): Promise<void> {
  await using sniffer = await sniff(target.id, "any", "icmp or arp");
  await from.run("ip", "route", "add", `${address}/32`, "dev", "eth0");
  if (await from.pings(address)) throw new Error(`${address} answered`);
  if (await isAttached()) {
    // What the target says itself is heard: so silence means something. Where its kernel has just
    // given up to find that address, a ping may end without a word.
    const silent = address.replace(/\d+$/, "250");
    await waitFor(`"who-has ${silent}" to be heard`, async () => {
      await target.run("ping", "-c1", "-W1", "-q", silent);
      const isHeard = sniffer.lines().some((line) => line.includes(`who-has ${silent}`));
      // It may be about to be detached, when it says nothing any more.
      return isHeard || !await isAttached();
    });
  }
  const { text } = await from.run("ip", "-4", "-o", "address", "show", "scope", "global");
  const own = / inet ([\d.]+)\//.exec(text)?.[1] ?? "no address";
  const arrived = sniffer.lines().filter((line) =>
    / In .*echo request/.test(line) || line.includes(`tell ${own},`)
  );
  if (arrived.length > 0) throw new Error(`this arrived: ${arrived.join("; ")}`);
}
