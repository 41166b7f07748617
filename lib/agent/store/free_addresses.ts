// Finds free addresses of a network by the store's claims, without reading them all: counts the claims of whole blocks,
// and lists those of the first blocks of 256 addresses that have a free one.
//
// That many claims may be in a block and none of the pool's choices be taken: fixed addresses may be outside of them.
// So a block is full for sure only if all addresses that hosts can have are claimed, and has so many free ones for
// sure as it has more choices than claims.

import {
  type AddressBlock,
  type BlockLength,
  blocksIn,
  choicesIn,
  widestBlocks,
} from "../../ipam/address_blocks.ts";
import type { AddressPool } from "../../ipam/addresses.ts";
import { addressToText, type Subnet } from "../../ipam/subnets.ts";
import { keys } from "../../intent/records.ts";
import type { Store } from "../../store/store.ts";

/** A network and its pool. */
export interface NetworkPool {
  readonly tenant: string;
  readonly network: string;
  readonly pool: AddressPool;
}

/** Which addresses are searched. */
export interface AddressSearch {
  /** How many free ones are skipped; in a pool that has fewer, they are counted through again. @default 0 */
  readonly skip?: number;
  /** The search ends with the block in which so many are found. @default 1 */
  readonly wanted?: number;
  /** Reports whether an address is about to be taken. */
  readonly isTaken?: (address: string) => boolean;
}

/**
 * Returns free addresses, those first that come after the skipped ones, else the lowest; none if the pool is full.
 * Others may take them meanwhile. Faults: unavailable, timeout.
 */
export async function findFreeAddresses(
  store: Pick<Store, "count" | "list">,
  { tenant, network, pool }: NetworkPool,
  { skip = 0, wanted = 1, isTaken = () => false }: AddressSearch = {},
): Promise<string[]> {
  const folder = keys.addressClaim(tenant, network, "");
  const search = new Search({ store, pool, folder, wanted, isTaken });
  await search.within(pool.subnet, widestBlocks(pool.subnet), skip);
  return search.found;
}

/** A block and how many claims it has. */
interface Counted {
  readonly block: AddressBlock;
  readonly claims: number;
}

// Most pools have a free address in one of their first blocks; each round counts more of them.
const FIRST_ROUND = 16;
const MORE = 4;

interface SearchOptions extends Required<Pick<AddressSearch, "wanted" | "isTaken">> {
  readonly store: Pick<Store, "count" | "list">;
  readonly pool: AddressPool;
  /** What the keys of the network's claims begin with. */
  readonly folder: string;
}

class Search {
  readonly found: string[] = [];
  readonly #options: SearchOptions;

  constructor(options: SearchOptions) {
    this.#options = options;
  }

  /** Searches the blocks of `length` in `subnet`. */
  async within(subnet: Subnet, length: BlockLength, skip: number): Promise<void> {
    const blocks = blocksIn(this.#options.pool, subnet, length);
    const [only, ...more] = blocks;
    if (only && more.length === 0) return await this.#open(only, skip);
    const counted: Counted[] = [];
    await this.#choose(this.#count(blocks, counted), skip);
    if (this.found.length > 0 || skip === 0) return;
    const sure = counted.reduce((sum, one) => sum + sureOf(one), 0);
    await this.#choose(counted, sure === 0 ? 0 : skip % sure);
  }

  /** Yields the blocks with their claims, and notes them in `counted`. */
  async *#count(
    blocks: readonly AddressBlock[],
    counted: Counted[],
  ): AsyncGenerator<Counted, void> {
    const { store, folder } = this.#options;
    for (let at = 0, size = FIRST_ROUND; at < blocks.length; at += size, size *= MORE) {
      const round = blocks.slice(at, at + size);
      const claims = await store.count(round.map(({ prefix }) => folder + prefix));
      for (const [n, block] of round.entries()) {
        const one = { block, claims: claims[n] ?? 0 };
        counted.push(one);
        yield one;
      }
    }
  }

  /** Opens the blocks that may have free addresses, behind those that are skipped, until enough are found. */
  async #choose(
    blocks: AsyncIterable<Counted> | Iterable<Counted>,
    skip: number,
  ): Promise<void> {
    let left = skip;
    for await (const one of blocks) {
      if (one.claims === one.block.hosts) continue;
      const sure = sureOf(one);
      const isPassed = left > 0 && left >= sure;
      if (isPassed) left -= sure;
      if (isPassed) continue;
      await this.#open(one.block, left);
      left = 0;
      if (this.found.length >= this.#options.wanted) return;
    }
  }

  async #open(block: AddressBlock, skip: number): Promise<void> {
    const { store, pool, folder, isTaken } = this.#options;
    const { subnet, prefix } = block;
    if (subnet.length < 24) return await this.within(subnet, 24, skip);
    const { entries } = await store.list(folder + prefix);
    const used = new Set(entries.map(({ key }) => key.slice(folder.length)));
    const free = [...choicesIn(pool, block)].map(addressToText)
      .filter((address) => !used.has(address) && !isTaken(address));
    const start = free.length === 0 ? 0 : skip % free.length;
    this.found.push(...free.slice(start), ...free.slice(0, start));
  }
}

function sureOf({ block, claims }: Counted): number {
  return Math.max(0, block.choices - claims);
}
