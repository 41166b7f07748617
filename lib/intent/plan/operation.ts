// A plan as data: what changes, object by object, and what each change checks and writes.

import type { ObjectKind } from "./unknown_fields.ts";

/** A JSON document. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

/** What must hold: `key` last written at `revision` as the plan saw it, or absent (0). */
export interface PlanCheck {
  readonly key: string;
  readonly revision: number;
}

/** One write: the new document, or undefined to delete. */
export interface PlanWrite {
  readonly key: string;
  readonly value: Json | undefined;
}

/** What an operation changes in its tenant's list of subnets. */
export interface SubnetListEdit {
  readonly tenant: string;
  /** Revision of the list as the plan saw it. */
  readonly revision: number;
  /** CIDR that goes. */
  readonly drop?: string;
  /** CIDR that comes. */
  readonly add?: string;
  readonly network: string;
}

/** The change of one object, with its claims. */
export interface Operation {
  readonly verb: "create" | "update" | "delete";
  readonly kind: ObjectKind;
  /** `tenant/network/container` and the like. */
  readonly name: string;
  /** What changes, in words: one line a field. */
  readonly lines: readonly string[];
  readonly checks: readonly PlanCheck[];
  readonly writes: readonly PlanWrite[];
  readonly subnets?: SubnetListEdit;
  /** Operations of one group hand claims to each other: they go into one commit. */
  readonly group: number;
}

/** What a wish comes to. Operations stand in the order in which they may be done. */
export interface Plan {
  readonly operations: readonly Operation[];
  readonly warnings: readonly string[];
  /** Each tenant's subnets as the plan saw them: network by CIDR. */
  readonly subnetLists: ReadonlyMap<string, Readonly<Record<string, string>>>;
}
