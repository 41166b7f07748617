// Which of the stored documents this version can read. A store may also contain documents of a newer version or
// of another program; these are reported and left alone, and never prevent work on the others.

import { type Documents, SCHEMA } from "./records.ts";

/** Highest schema version that is read; fields that it adds are kept. */
export const HIGHEST_READABLE = SCHEMA + 1;

/** Fields that every version writes, with their JSON type, by folder; other folders are not ours. */
const FIELDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
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
  owners: { networks: "object" },
  clusters: { schema: "number" },
  hostnumbers: { host: "string", number: "number" },
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
  reports: { host: "string", at: "string", passed: "number", checks: "object" },
  revisions: { n: "number", state: "string" },
  requests: { text: "string" },
  arrivals: {},
};

// Every document of a list or watch passes here: prepared once.
const MUST_HAVE: ReadonlyMap<string, readonly (readonly [field: string, type: string])[]> = new Map(
  Object.entries(FIELDS).map(([folder, fields]) => [folder, Object.entries(fields)]),
);

/** Returns a document's folder: the part of its key before the first slash. */
export function folderOf(key: string): string {
  return key.slice(0, Math.max(0, key.indexOf("/")));
}

/** Returns why this version cannot read the document at `key`; undefined where it can. */
export function whyUnreadable(key: string, value: unknown): string | undefined {
  const mustHave = MUST_HAVE.get(folderOf(key));
  if (!mustHave) return "it is not a document of this program";
  const fields: Readonly<Record<string, unknown>> = isObject(value) ? value : {};
  const { schema } = fields;
  if (typeof schema === "number" && schema > HIGHEST_READABLE) {
    return `it has schema ${schema}, this version reads up to ${HIGHEST_READABLE}`;
  }
  for (const [field, type] of mustHave) {
    const found = fields[field];
    if (typeof found !== type || found === null) return `its ${field} is not ${article(type)}`;
  }
  return undefined;
}

/** Returns the document at `key` if it is there and can be read. */
export function readableAt<T>(documents: Documents, key: string): T | undefined {
  const value = documents.get(key)?.value;
  return value === undefined || whyUnreadable(key, value) ? undefined : value as T;
}

/** Returns the name of a JSON type with its article. */
function article(type: string): string {
  return type === "object" ? "an object" : `a ${type}`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
