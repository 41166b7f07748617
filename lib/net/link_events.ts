// Changes of links that the kernel reports, in this namespace and in those of the sandboxes that have a link to
// it. Only those that may mean that a pod end was changed by hand.

/** A change after which a pod end may differ from its spec. */
export type LinkEvent =
  /** An IPv4 address was removed. */
  | { readonly kind: "address"; readonly address: string }
  /** A link was added or changed; its present state. */
  | {
    readonly kind: "link";
    readonly name: string;
    readonly mac: string;
    readonly mtu: number;
    readonly isUp: boolean;
  }
  /** A link was removed. */
  | { readonly kind: "gone"; readonly name: string }
  /** A default route by that gateway was removed. */
  | { readonly kind: "route"; readonly gateway: string }
  /** More happened than the socket buffer could hold: anything may have changed. */
  | { readonly kind: "lost" };

/** A subscription; events wait in the kernel until they are taken. */
export interface LinkEvents {
  /** Returns the events since the last call, without waiting. */
  take(): LinkEvent[];
  /** Ends the subscription. */
  close(): void;
}

/** A subscription to changes of what this host's stack has for pods. */
export interface StackEvents {
  /** Reports whether something may have changed since the last call. */
  take(): boolean;
  /** Resolves with true as soon as there is any notification to take, with false after `limitMs`. */
  wait(limitMs: number): Promise<boolean>;
  /** Ends the subscription. */
  close(): void;
}
