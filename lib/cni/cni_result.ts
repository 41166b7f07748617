// Results of ADD, and `prevResult`: from and to each version of the specification. Versions 0.3.1 and 0.4.0 have
// ips[].version, 1.0.0 has not, and 1.1.0 adds fields to interfaces and routes.

import { isCidr, isIp } from "./address_words.ts";
import { parseDns } from "./cni_dns.ts";
import type { CniInterface, CniIp, CniResult, CniRoute, CniVersion } from "./cni_types.ts";
import { compact, FieldReader, type JsonObject, wrongType, wrongValue } from "./json_fields.ts";

/** Fields of an interface and of a route that began with version 1.1.0. */
const NEW_IN_1_1: readonly string[] = [
  ...["mtu", "socketPath", "pciID"],
  ...["advmss", "priority", "table", "scope"],
];

/** Returns a result as one line of JSON, in the form of `version`. */
export function resultToJson(version: CniVersion, result: CniResult): string {
  const { interfaces, ips, routes, dns, others } = result;
  return JSON.stringify({
    ...others,
    cniVersion: version,
    ...(interfaces.length > 0 && { interfaces: interfaces.map((one) => flat(version, one)) }),
    ...(ips.length > 0 && { ips: ips.map((ip) => ipOf(version, ip)) }),
    ...(routes.length > 0 && { routes: routes.map((one) => flat(version, one)) }),
    dns,
  });
}

/** Returns an interface or a route without what `version` does not know. */
function flat(version: CniVersion, { others, ...own }: CniInterface | CniRoute): JsonObject {
  const fields = { ...own, ...others };
  if (version === "1.1.0") return fields;
  return Object.fromEntries(Object.entries(fields).filter(([key]) => !NEW_IN_1_1.includes(key)));
}

function ipOf(version: CniVersion, { others, ...own }: CniIp): JsonObject {
  const isOld = version === "0.3.1" || version === "0.4.0";
  const family = own.address.includes(":") ? "6" : "4";
  return { ...(isOld && { version: family }), ...own, ...others };
}

/**
 * Parses the decoded result of any plugin, of version 0.3.0 or later; `key` names it in messages. Its own `cniVersion`
 * does not matter, as the forms do not contradict each other. Errors: code 7.
 */
export function parseResult(value: unknown, key = "prevResult"): CniResult {
  const fields = FieldReader.of(value, key);
  for (const old of ["ip4", "ip6"]) {
    if (fields.raw(old) === undefined) continue;
    const why = "it is of version 0.2.0 or older; use a plugin that supports 0.3.1 or newer";
    throw wrongValue(fields.nameOf(old), fields.raw(old), why);
  }
  return compact<CniResult>({
    interfaces: fields.objects("interfaces").map(parseInterface),
    ips: fields.objects("ips").map(parseIp),
    routes: fields.objects("routes").map(parseRoute),
    dns: parseDns(fields.object("dns")),
    others: fields.others(["cniVersion", "interfaces", "ips", "routes", "dns"]),
  });
}

function parseInterface(fields: FieldReader): CniInterface {
  return compact<CniInterface>({
    name: required(fields, "name"),
    mac: fields.string("mac"),
    mtu: fields.count("mtu"),
    sandbox: fields.string("sandbox"),
    others: fields.others(["name", "mac", "mtu", "sandbox"]),
  });
}

function parseIp(fields: FieldReader): CniIp {
  const gateway = fields.string("gateway") || undefined;
  if (gateway !== undefined && !isIp(gateway)) {
    throw wrongValue(fields.nameOf("gateway"), gateway, "it must be an address");
  }
  return compact<CniIp>({
    address: cidr(fields, "address"),
    gateway,
    interface: fields.count("interface"),
    others: fields.others(["version", "address", "gateway", "interface"]),
  });
}

function parseRoute(fields: FieldReader): CniRoute {
  return compact<CniRoute>({
    dst: cidr(fields, "dst"),
    gw: fields.string("gw"),
    mtu: fields.count("mtu"),
    others: fields.others(["dst", "gw", "mtu"]),
  });
}

function required(fields: FieldReader, key: string): string {
  const value = fields.string(key);
  if (value !== undefined) return value;
  throw wrongType(fields.nameOf(key), value, "a string");
}

function cidr(fields: FieldReader, key: string): string {
  const value = required(fields, key);
  if (isCidr(value)) return value;
  throw wrongValue(fields.nameOf(key), value, "it must be an address with a prefix length");
}
