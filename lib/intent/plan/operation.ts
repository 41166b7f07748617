// A plan as data: the change of each object, with the keys that it checks and writes.

import type { Json } from "../../util/json.ts";
import type { ObjectKind } from "./unknown_fields.ts";

/** A condition of a commit: `key` was last written at `revision`, or is absent (0). */
export interface PlanCheck {
  readonly key: string;
  readonly revision: number;
}

/** One write: the new document, or undefined to delete. */
export interface PlanWrite {
  readonly key: string;
  readonly value: Json | undefined;
}

/** The change of a list of subnets by an operation: a tenant's, or that of the hosts' stacks. */
export interface SubnetListEdit {
  /** Key of the list. */
  readonly list: string;
  /** Revision of the list as the plan saw it. */
  readonly revision: number;
  /** CIDR to remove. */
  readonly drop?: string;
  /** CIDR to add. */
  readonly add?: string;
  /** The name of the network in that list. */
  readonly network: string;
}

/** The change of one object, with its claims. */
export interface Operation {
  readonly verb: "create" | "update" | "delete";
  readonly kind: ObjectKind;
  /** `tenant/network/container` and the like. */
  readonly name: string;
  /** The change as text: one line for each field. */
  readonly lines: readonly string[];
  readonly checks: readonly PlanCheck[];
  readonly writes: readonly PlanWrite[];
  readonly subnets?: readonly SubnetListEdit[];
  /** Operations of one group pass claims on to each other: they are in one commit. */
  readonly group: number;
}

/** The result of planning a change. Operations are in an order in which they may be applied. */
export interface Plan {
  readonly operations: readonly Operation[];
  readonly warnings: readonly string[];
  /** The lists of subnets as the plan saw them, by key: network by CIDR. */
  readonly subnetLists: ReadonlyMap<string, Readonly<Record<string, string>>>;
}
