// Plans and changes of the intent: what is asked, and the answers.

import type { HostImpact, ShortImpact } from "../../intent/plan_impact.ts";

/**
 * Most bytes of an intent's text: about 80,000 endpoints, more than a /16 has addresses. Planning takes
 * about 30 times as much memory and blocks the agent (16 MB: 600 MB and 45 s, 50 MB: 1.6 GB).
 */
export const INTENT_BYTES = 8 * 1024 * 1024;

/** Body of POST /v1/plan and /v1/apply: the text of an intent file and what to do with it. */
export interface IntentRequest {
  /** rollback: give all objects the records that they had after revision `to`; `text` is not used. */
  readonly mode: "add" | "replace" | "delete" | "bindings" | "rollback";
  readonly text: string;
  readonly to?: number;
  readonly force?: boolean;
  readonly strict?: boolean;
  /** Apply only if this is the last revision still. */
  readonly base?: number;
  /** Who asks, for the history. */
  readonly origin?: Origin;
}

/** Who changes an intent, and from what. */
export interface Origin {
  /** User. */
  readonly by: string;
  readonly host: string;
  /** File, or command. */
  readonly source: string;
}

/** Answer of /v1/plan and /v1/apply. */
export interface PlanAnswer extends ShortImpact {
  readonly operations: readonly PlannedOperation[];
  readonly warnings: readonly string[];
  /** Number of the revision that the apply made; absent for a plan, or when nothing changed. */
  readonly revision?: number;
  /** Only of a plan: the same as data. */
  readonly changes?: readonly ChangeItem[];
  /** Only of a plan: what it means for pods, by host label. */
  readonly hosts?: Readonly<Record<string, HostImpact>>;
}

/** An item of GET /v1/progress: how far a work is that was asked for with `progress`, a name, in its body. */
export interface ProgressItem {
  readonly name: string;
  readonly done: number;
  readonly of: number;
}

/** One object that a plan changes. */
export interface PlannedOperation {
  readonly verb: "create" | "update" | "delete";
  readonly kind: string;
  readonly name: string;
  readonly lines: readonly string[];
}

/** An item of GET /v1/history: a change of the intent. */
export interface HistoryItem extends Origin {
  readonly revision: number;
  /** ISO 8601, UTC, by the clock of the one who applied it. */
  readonly at: string;
  readonly state: "applying" | "done" | "interrupted";
  readonly mode: IntentRequest["mode"];
  /** How many objects the plan was to change. */
  readonly count: number;
  readonly changes: readonly ChangeItem[];
  /** Only where an older version made it: what it changed is not recorded. */
  readonly isUnknown?: true;
}

/** One object that was changed, or would be. */
export interface ChangeItem {
  readonly op: "create" | "update" | "delete";
  readonly kind: "cluster" | "host" | "tenant" | "network" | "endpoint";
  /** `tenant/network/container` and the like. */
  readonly key: string;
  /** Its record, absent where there is none. */
  readonly before?: Readonly<Record<string, unknown>>;
  readonly after?: Readonly<Record<string, unknown>>;
}

/** Body of POST /v1/bind. */
export interface BindRequest {
  readonly pod: string;
  readonly host: string;
  readonly attachUuid?: string;
}
