// The changes of a plan as data: each object as it was and as it will be. What history keeps, and `plan` shows.

import type { Operation, Plan } from "./plan/operation.ts";
import type { ObjectRecord } from "./plan/stored.ts";
import type { ObjectKind } from "./plan/unknown_fields.ts";
import type { Documents } from "./records.ts";

/** The change of one object. */
export interface IntentChange {
  readonly op: Operation["verb"];
  readonly kind: ObjectKind;
  /** `tenant/network/container` and the like. */
  readonly key: string;
  /** The record before; absent if it was created. */
  readonly before?: ObjectRecord;
  /** The record after; absent if it was deleted. */
  readonly after?: ObjectRecord;
}

/** The folder of the records of each kind. */
const FOLDERS: Readonly<Record<ObjectKind, string>> = {
  cluster: "clusters",
  host: "hosts",
  tenant: "tenants",
  network: "networks",
  endpoint: "endpoints",
};

/** Returns the key of the record of an object. */
export function recordKeyOf({ kind, key }: Pick<IntentChange, "kind" | "key">): string {
  return `${FOLDERS[kind]}/${key}`;
}

/** Returns the changes of `plan`, which was made on `documents`, in its order. */
export function changesOf(documents: Documents, { operations }: Plan): IntentChange[] {
  return operations.map(({ verb, kind, name, writes }) => {
    const key = recordKeyOf({ kind, key: name });
    const before = documents.get(key)?.value as ObjectRecord | undefined;
    const after = writes.find((one) => one.key === key)?.value as ObjectRecord | undefined;
    return {
      ...{ op: verb, kind, key: name },
      ...(before ? { before } : {}),
      ...(after ? { after } : {}),
    };
  });
}
