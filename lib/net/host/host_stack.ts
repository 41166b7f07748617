// What the agent needs of the host's own stack so that it routes and translates addresses for pods: one link's
// addresses and neighbour, routes by it, settings of the kernel, and one table of the packet filter. What is
// the host's own is read, never changed.

import type { Fault } from "../../util/errors.ts";

/** What this room makes of the host; everything by difference. */
export interface DesiredStack {
  /** The link to pods; another program makes it. */
  readonly device: string;
  /** Bare IPv4 addresses of `device`, in this order; it has no others. */
  readonly addresses: readonly string[];
  /** Next hop of all routes, by a permanent entry of the neighbour table. */
  readonly nextHop: { readonly address: string; readonly mac: string };
  readonly routes: readonly StackRoute[];
  readonly settings: readonly {
    /** Path below /proc/sys. */
    readonly key: string;
    readonly value: string;
    /** True: a kernel without it is left as it is. */
    readonly isOptional?: boolean;
  }[];
  readonly filter: FilterTable;
}

/** A route by `device` and the next hop. */
export interface StackRoute {
  /** CIDR with host bits zero. */
  readonly to: string;
  /** Source of the host's own packets. */
  readonly source: string;
  /** Bytes; undefined: the link's. */
  readonly mtu?: number | undefined;
}

/** A table of the packet filter, of family `ip`. */
export interface FilterTable {
  readonly name: string;
  /** Sets, maps and chains, as `nft -f` reads them inside of the table. */
  readonly definition: string;
  /** A definition that is in force, in a table of its own, while a table that is lost is made anew. */
  readonly closed?: string;
  /** Elements of the sets and maps, by their names. */
  readonly elements: Readonly<Record<string, readonly string[]>>;
}

/** What keeps the host's stack from doing all of it; the rest is done. */
export interface StackReport {
  /** Routes that cannot be had: conflict. */
  readonly problems: readonly Fault[];
}

/** The host's own stack. All calls may be repeated; one after the other. */
export interface HostStack {
  /**
   * Makes the stack as `desired`, by difference to what was made last; with `isFresh`, to what is there. The packet
   * filter comes first, so that nothing is forwarded that it refuses. Faults: not_found (`device` does not
   * exist), unavailable, timeout, failed.
   */
  ensure(
    desired: DesiredStack,
    options?: { readonly isFresh?: boolean },
  ): Promise<StackReport>;

  /** Makes a further table of the packet filter; apart from it as ensure(). Faults: unavailable, timeout, failed. */
  ensureFilter(table: FilterTable, options?: { readonly isFresh?: boolean }): Promise<void>;

  /** Removes the table of that name, with all that it holds. Faults: unavailable, timeout, failed. */
  removeFilter(name: string): Promise<void>;

  /**
   * Reports whether the stack may have changed since the last call: the kernel's notifications say so, or it
   * differs from what ensure() left. Faults: as ensure().
   */
  hasDrifted(): Promise<boolean>;

  /**
   * Calls `wake` soon after the kernel has reported any change, until close(): hasDrifted() then says whether it is one
   * of the stack. Never called where the kernel does not report changes.
   */
  onChange(wake: () => void): void;

  /** Returns what of the host's own keeps packets from or to `device`; to warn of. Faults: as ensure(). */
  hindrances(device: string): Promise<Hindrance[]>;

  /** Returns the host's routes that share an address with `cidr`, but those by `device`, as text. */
  overlappingRoutes(cidr: string, device: string): Promise<string[]>;

  /** Closes what the driver holds open. */
  close(): void;
}

/** Something of the host's own that keeps pods from what they may reach. */
export interface Hindrance {
  /** What it is and does, as one sentence. */
  readonly what: string;
  /** Commands to run as root, or what to do. */
  readonly fix: string;
  /** Whether it matters only to pods that reach the outside. */
  readonly isOfOutside?: true;
}
