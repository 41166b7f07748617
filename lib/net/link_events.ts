// What the kernel tells of links without being asked, in this namespace and in those of the sandboxes
// that have a link to it. Only what may mean that somebody changed a pod's side by hand.

/** Something of a pod's side that may not be as it was made. */
export type LinkEvent =
  /** An IPv4 address was taken away. */
  | { readonly kind: "address"; readonly address: string }
  /** A link was made or changed; what it is now. */
  | {
    readonly kind: "link";
    readonly name: string;
    readonly mac: string;
    readonly mtu: number;
    readonly isUp: boolean;
  }
  /** A link was taken away. */
  | { readonly kind: "gone"; readonly name: string }
  /** A default route by that gateway was taken away. */
  | { readonly kind: "route"; readonly gateway: string }
  /** More happened than the kernel could keep: anything may have changed. */
  | { readonly kind: "lost" };

/** Events as they gather. */
export interface LinkEvents {
  /** Returns those since the last call, at once. */
  take(): LinkEvent[];
  /** Ends it. */
  close(): void;
}
