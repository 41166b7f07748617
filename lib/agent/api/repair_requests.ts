// Repairs and collections of what is left over: what is asked, and the answers.

/** Body of POST /v1/repair. */
export interface RepairRequest {
  /** Only report what would be done. */
  readonly dryRun?: boolean;
}

/** One act of a repair. */
export interface RepairAct {
  readonly act: "release" | "rebuild" | "keep";
  /** Key of the claim. */
  readonly claim: string;
  readonly why: string;
}

/** Answer of /v1/repair: what was done, and what is still wrong. */
export interface RepairAnswer {
  readonly acts: readonly RepairAct[];
  readonly left: readonly { readonly name: string; readonly why: string }[];
}

/** Body of POST /v1/gc. */
export interface GcRequest {
  /** Host that never comes back. Absent: sandboxes missing on this host are released now. */
  readonly host?: string;
  /** Only report what would be done. */
  readonly dryRun?: boolean;
  /** Also if the host has never written a heartbeat. */
  readonly force?: boolean;
}

/** What was done with one endpoint and its attachments on the host. */
export interface GcAct {
  /**
   * release: the endpoint is deleted and its address free. hold: the address is held for its pod. unbind:
   * the intent's endpoint keeps its address and may be used on any host. forget: only an attachment is
   * deleted.
   */
  readonly act: "release" | "hold" | "unbind" | "forget";
  /** `tenant/network/container` */
  readonly endpoint: string;
  readonly address: string;
  /** `namespace/name`; empty if no pod had it. */
  readonly pod: string;
  /** The intent or `bind` still pins it to that host. */
  readonly pinned?: boolean;
  /** Only on this host and in a dry run: milliseconds until it is released without a request. */
  readonly dueMs?: number;
}

/** Answer of /v1/gc. */
export interface GcAnswer {
  readonly host: string;
  /** By that host's clock, ISO 8601; absent if unknown. */
  readonly lastSeen?: string;
  readonly acts: readonly GcAct[];
  /** Keys of the host's records that this version cannot read: they stay. */
  readonly left: readonly string[];
  /** Only of the removal of a host that the intent still has. */
  readonly isInIntent?: true;
}
