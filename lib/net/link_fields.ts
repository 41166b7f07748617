// What both drivers know of a link.

/** A link as the kernel has it. */
export interface LinkFields {
  readonly index: number;
  readonly name: string;
  /** Empty if the link has no address, or one that is not a MAC. */
  readonly mac: string;
  readonly mtu: number;
  readonly isUp: boolean;
  readonly isLoopback: boolean;
  /** Empty without an alias. */
  readonly alias: string;
  /** Index of the pair's other end, in the other end's namespace. */
  readonly peerIndex: number | undefined;
}
