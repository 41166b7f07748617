// What the packet filter has, as `nft -j` prints it.

import { faultFrom } from "../../util/errors.ts";
import { run } from "../../util/run.ts";

/** A chain; one with a hook is called by the kernel. */
export interface NftChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook?: string;
  readonly policy?: string;
}

/** A rule of a chain. */
export interface NftRule {
  readonly chain: string;
  readonly expr: readonly unknown[];
}

/** One object of `nft -j`. */
interface NftObject {
  readonly chain?: NftChain;
  readonly rule?: NftRule;
}

/** Returns all chains. Faults: as run(). */
export async function listChains(): Promise<NftChain[]> {
  return (await nft("list", "chains")).flatMap(({ chain }) => chain ?? []);
}

/** Returns the rules of a chain; none if it was removed meanwhile. Faults: as run(). */
export async function rulesOf({ family, table, name }: NftChain): Promise<NftRule[]> {
  try {
    return (await nft("list", "chain", family, table, name)).flatMap(({ rule }) => rule ?? []);
  } catch (error) {
    if (/No such file or directory/.test(faultFrom(error).message)) return [];
    throw error;
  }
}

async function nft(...args: readonly string[]): Promise<readonly NftObject[]> {
  const output = JSON.parse(await run("nft", ["-j", ...args])) as {
    readonly nftables?: readonly NftObject[];
  };
  return output.nftables ?? [];
}
