// What the contract of links is tested on: a driver, and the namespaces around it, which are read and
// changed without that driver.

import type { Links, PairSpec } from "../../lib/net/links.ts";
import type { SeenLink } from "../lab/sandbox.ts";

/** What a link that no driver made is like. */
export interface ForeignLink {
  readonly name: string;
  readonly mac?: string;
  readonly mtu?: number;
  readonly alias?: string;
  readonly isUp?: boolean;
  readonly addresses?: readonly string[];
}

/** A namespace as an operator sees and changes it. */
export interface BenchNamespace {
  /** Returns its links but for the loopback. */
  links(): Promise<SeenLink[]>;
  /** Returns the link of that name. */
  link(name: string): Promise<SeenLink | undefined>;
  /** Adds a veth pair, both ends here; the peer is called as the link with an `x` behind. */
  addLink(link: ForeignLink): Promise<void>;
  /** Changes what `link` has beside its name; its addresses are added. */
  changeLink(link: ForeignLink): Promise<void>;
  /** Removes a link and its peer. */
  deleteLink(name: string): Promise<void>;
  /** Removes addresses from a link. */
  removeAddresses(name: string, addresses: readonly string[]): Promise<void>;
  /** Returns the default route as `ip route show default` prints it, empty without one. */
  defaultRoute(): Promise<string>;
  /** Replaces the default route; removes it without a `gateway`. */
  setDefaultRoute(gateway?: string): Promise<void>;
}

/** A sandbox's namespace. */
export interface BenchSandbox extends BenchNamespace, AsyncDisposable {
  readonly netns: string;
  readonly inode: number;
  /** Returns a pair for this sandbox; `parts` replaces what a test is about. */
  spec(parts?: Partial<PairSpec>): PairSpec;
  /** Makes the pair of `spec` as far as a driver comes that is killed after its first step. */
  addHalfMadePair(spec: PairSpec): Promise<void>;
  /** Resolves when a new link has what the kernel assigns it a moment later. */
  settled(name: string): Promise<void>;
  /** Deletes the namespace. */
  delete(): Promise<void>;
}

/** A driver and the world around it. Our links' aliases begin with `k8contivnet:`. */
export interface LinksBench {
  readonly links: Links;
  readonly host: BenchNamespace;
  makeSandbox(): Promise<BenchSandbox>;
  /** Turns of the event loop between two points of a createPair() that are worth an interruption. */
  readonly turnsPerStep: number;
  /** Fails where the driver left this process in another network namespace. */
  checkOwnNamespace?(): void;
}
