// Which of the stored documents this version can read. What stands in a store was written by this
// program, a newer one, or a stranger; what cannot be read is named and left alone, and never stands in
// the way of the rest.

import { type Documents, SCHEMA } from "./records.ts";

/** Highest schema version that is read; fields that it adds are kept. */
export const READS = SCHEMA + 1;

/** What every version writes, with its type, by folder; a folder that is not here is not ours. */
const MUST_HAVE: ReadonlyMap<string, Readonly<Record<string, string>>> = new Map(Object.entries({
  hosts: { name: "string" },
  tenants: {
    name: "string",
    defaultNetType: "string",
    subnetPool: "string",
    allocSubnetLen: "number",
  },
  networks: {
    tenant: "string",
    name: "string",
    encap: "string",
    tag: "number",
    subnet: "string",
  },
  endpoints: { tenant: "string", network: "string", container: "string", address: "string" },
  policies: {},
  claims: { owner: "string" },
  subnets: { networks: "object" },
  attachments: {
    host: "string",
    tenant: "string",
    network: "string",
    endpoint: "string",
    pod: "object",
    sandbox: "string",
    addresses: "object",
  },
  members: {},
  agents: { host: "string", instance: "string", beat: "number" },
  revisions: { n: "number", state: "string" },
  requests: { text: "string" },
  arrivals: {},
}));

/** Gives a document's folder: what stands before the first slash of its key. */
export function folderOf(key: string): string {
  return key.slice(0, Math.max(0, key.indexOf("/")));
}

/** Says why this version cannot read the document at `key`; undefined where it can. */
export function whyUnreadable(key: string, value: unknown): string | undefined {
  const mustHave = MUST_HAVE.get(folderOf(key));
  if (!mustHave) return "it is none of this program's documents";
  const schema = fieldOf(value, "schema");
  if (typeof schema === "number" && schema > READS) {
    return `it is of schema ${schema}, this version reads up to ${READS}`;
  }
  for (const field in mustHave) {
    const found = fieldOf(value, field);
    if (typeof found === mustHave[field] && found !== null) continue;
    return `its ${field} is no ${mustHave[field]}`;
  }
  return undefined;
}

/** Gives the document at `key` if it is there and can be read. */
export function readableAt<T>(documents: Documents, key: string): T | undefined {
  const value = documents.get(key)?.value;
  return value === undefined || whyUnreadable(key, value) ? undefined : value as T;
}

function fieldOf(value: unknown, field: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, field) : undefined;
}
