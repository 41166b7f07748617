// Name servers, in the form of configurations and results and in that of the capability `dns`.

import type { CniDns } from "./cni_types.ts";
import { compact, type FieldReader } from "./json_fields.ts";

/** Parses `dns` of a configuration or result. Errors: code 7. */
export function parseDns(dns: FieldReader): CniDns {
  return compact<CniDns>({
    nameservers: dns.strings("nameservers"),
    domain: dns.string("domain"),
    search: dns.strings("search"),
    options: dns.strings("options"),
  });
}

/**
 * Parses `runtimeConfig.dns`, which has other keys than `dns` (CONVENTIONS.md); containerd 1.6 to 2.1 writes them in
 * upper case: `{"Servers":["10.0.0.10"],"Searches":null,"Options":null}`. Errors: code 7.
 */
export function parseDnsCapability(dns: FieldReader): CniDns {
  const keys = dns.inLowerCase();
  return compact<CniDns>({
    nameservers: keys.strings("servers"),
    search: keys.strings("searches"),
    options: keys.strings("options"),
  });
}

/** Returns `dns`, or undefined where it says nothing. */
export function someDns(dns: CniDns): CniDns | undefined {
  return Object.keys(dns).length > 0 ? dns : undefined;
}
