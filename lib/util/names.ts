// What may be a name: of a tenant, network, host, pod, sandbox, link. Checked before a name touches
// a path, a command line or a database row.

import { Fault, oneLine } from "./errors.ts";

const WORD = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/** Longest name of a tenant or network; the limit that contiv's later releases had. */
export const NAME_LIMIT = 64;

/** Longest name of a host or pod: a DNS subdomain, RFC 1123. */
export const LONG_NAME_LIMIT = 253;

/** Reports whether `name` is a word of letters, digits, `_`, `.`, `-` within `limit` characters. */
export function isName(name: string, limit = NAME_LIMIT): boolean {
  return name.length <= limit && WORD.test(name) && !name.includes("..");
}

/** Returns `name` back. Faults: usage, when it is not a name; `what` says of which thing. */
export function parseName(what: string, name: string, limit = NAME_LIMIT): string {
  if (isName(name, limit)) return name;
  throw new Fault("usage", `${what} "${oneLine(name, 40)}" is no name`, {
    why: name.length > limit
      ? `it has ${name.length} characters, ${limit} are allowed`
      : "only letters, digits, _ . - are allowed, a letter or digit first, and no ..",
    fix: "choose another name",
  });
}

/** Reports whether `id` may name a sandbox: 12 to 64 lower-case hex digits, as Docker writes ids. */
export function isSandboxId(id: string): boolean {
  return /^[0-9a-f]{12,64}$/.test(id);
}

/** Returns `id` back. Faults: usage, when it is no infra container's id. */
export function parseSandboxId(id: string): string {
  if (isSandboxId(id)) return id;
  throw new Fault("usage", `infra container id "${oneLine(id, 40)}" is no id`, {
    why: "12 to 64 hex digits are wanted",
    fix: "call as kubelets do: VERB NAMESPACE NAME ID",
  });
}

/** Reports whether `name` can be a Linux interface: 1 to 15 bytes, no `/`, `:`, blank (IFNAMSIZ). */
export function isLinkName(name: string): boolean {
  return /^[A-Za-z0-9_.-]{1,15}$/.test(name) && name !== "." && name !== "..";
}
