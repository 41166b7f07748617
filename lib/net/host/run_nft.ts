// The command nft. It reads the packet filter in several steps, and ends with EINTR where somebody else has changed that in
// between (nftables 1.0.6): what was asked, or is to be changed, is still right then.

import { faultFrom } from "../../util/errors.ts";
import { run, type RunOptions } from "../../util/run.ts";

const MOST_TRIES = 20;

/** Runs nft and returns what it prints, as run() does; repeats it where its reading was interrupted. */
export async function runNft(args: readonly string[], options: RunOptions = {}): Promise<string> {
  for (let tries = 1;; tries++) {
    try {
      return await run("nft", args, options);
    } catch (error) {
      const isInterrupted = /Interrupted system call/.test(faultFrom(error).message);
      if (!isInterrupted || tries === MOST_TRIES) throw error;
    }
  }
}
