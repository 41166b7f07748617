// Validation of names: of tenants, networks, hosts, pods, sandboxes and links, before a name reaches a path, a command
// line or a database row.

import { Fault, oneLine } from "./errors.ts";

const WORD = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/** Longest name of a tenant or network, as in later releases of contiv. */
export const NAME_LIMIT = 64;

/** Longest name of a host or pod: a DNS subdomain, RFC 1123. */
export const LONG_NAME_LIMIT = 253;

/** Reports whether `name` is a word of letters, digits, `_`, `.`, `-` within `limit` characters. */
export function isName(name: string, limit = NAME_LIMIT): boolean {
  return name.length <= limit && WORD.test(name) && !name.includes("..");
}

/** Returns `name`, if it is valid; `what` says what it names. Faults: usage. */
export function parseName(what: string, name: string, limit = NAME_LIMIT): string {
  if (isName(name, limit)) return name;
  throw new Fault("usage", `${what} "${oneLine(name, 40)}" is not a valid name`, {
    why: name.length > limit
      ? `it has ${name.length} characters, at most ${limit} are allowed`
      : "it may have letters, digits, _ . -, must begin with a letter or digit, and not contain ..",
    fix: "choose another name",
  });
}

/** Reports whether `id` may identify a sandbox: 12 to 64 lower-case hex digits, as Docker prints ids. */
export function isSandboxId(id: string): boolean {
  return /^[0-9a-f]{12,64}$/.test(id);
}

/** Returns `id`, if it may be the id of an infra container. Faults: usage. */
export function parseSandboxId(id: string): string {
  if (isSandboxId(id)) return id;
  throw new Fault("usage", `infra container id "${oneLine(id, 40)}" is not valid`, {
    why: "it must have 12 to 64 lower-case hex digits",
    fix: "use the arguments of kubelets: VERB NAMESPACE NAME ID",
  });
}

/** Reports whether `name` is valid for a Linux link: 1 to 15 bytes (IFNAMSIZ), without `/`, `:`, blanks. */
export function isLinkName(name: string): boolean {
  return /^[A-Za-z0-9_.-]{1,15}$/.test(name) && name !== "." && name !== "..";
}
