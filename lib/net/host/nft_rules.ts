// What the packet filter has, as `nft -j` prints it.

import { faultFrom } from "../../util/errors.ts";
import { runNft } from "./run_nft.ts";

/** A chain; one with a hook is called by the kernel. */
export interface NftChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly type?: string;
  readonly hook?: string;
  readonly policy?: string;
}

/** A rule of a chain. */
export interface NftRule {
  readonly chain: string;
  readonly expr: readonly unknown[];
}

/** A table. */
export interface NftTable {
  readonly chains: readonly NftChain[];
  /** In their order. */
  readonly rules: readonly NftRule[];
  /** Elements of the sets and maps that have some, by their names. */
  readonly elements: ReadonlyMap<string, readonly unknown[]>;
}

/** A set or map. */
interface NftSet {
  readonly name: string;
  readonly elem?: readonly unknown[];
}

/** One object of `nft -j`. */
export interface NftObject {
  readonly chain?: NftChain;
  readonly rule?: NftRule;
  readonly set?: NftSet;
  readonly map?: NftSet;
}

/** Returns all chains. Faults: as run(). */
export async function listChains(limitMs?: number): Promise<NftChain[]> {
  return (await nft(["list", "chains"], limitMs)).flatMap(({ chain }) => chain ?? []);
}

/** Returns the table of a chain; an empty one if it was removed meanwhile. Faults: as run(). */
export async function readTable({ family, table }: NftChain, limitMs: number): Promise<NftTable> {
  return tableOf(await nftOrNone(["list", "table", family, table], limitMs));
}

/** Returns the table that `nft -j list table` prints. Pure. */
export function tableOf(objects: readonly NftObject[]): NftTable {
  return {
    chains: objects.flatMap(({ chain }) => chain ?? []),
    rules: objects.flatMap(({ rule }) => rule ?? []),
    elements: new Map(objects.flatMap(({ set, map }) => {
      const { name, elem } = set ?? map ?? {};
      return name === undefined || elem === undefined ? [] : [[name, elem]];
    })),
  };
}

/** Returns the rules of a chain; none if it was removed meanwhile. Faults: as run(). */
export async function rulesOf({ family, table, name }: NftChain): Promise<NftRule[]> {
  return (await nftOrNone(["list", "chain", family, table, name])).flatMap(({ rule }) =>
    rule ?? []
  );
}

/** Returns nothing of what does not exist. */
async function nftOrNone(
  args: readonly string[],
  limitMs?: number,
): Promise<readonly NftObject[]> {
  try {
    return await nft(args, limitMs);
  } catch (error) {
    if (/No such file or directory/.test(faultFrom(error).message)) return [];
    throw error;
  }
}

async function nft(args: readonly string[], limitMs?: number): Promise<readonly NftObject[]> {
  const options = limitMs === undefined ? {} : { limitMs };
  const output = JSON.parse(await runNft(["-j", ...args], options)) as {
    readonly nftables?: readonly NftObject[];
  };
  return output.nftables ?? [];
}
