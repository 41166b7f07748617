// Refuses the fields of a file whose addresses cannot work, as Linux or the protocols reserve them. What the store
// already has, from version 0.1.0, which accepted it, or what is to be deleted, is not refused.

import { parseAddressRange } from "../../ipam/addresses.ts";
import type { Range } from "../../ipam/ranges.ts";
import { reservationOf, reservationOfAll } from "../../ipam/reserved.ts";
import { hostsIn, parseAddress, parseSubnet } from "../../ipam/subnets.ts";
import { Fault } from "../../util/errors.ts";
import { vtepRefusal } from "../field_rules.ts";
import type { Intent, NetworkIntent } from "../intent.ts";
import { keys } from "../records.ts";

/** Reports whether the record at `key` has `value` in that field already. */
export type IsRecorded = (key: string, field: string, value: string) => boolean;

interface Found {
  readonly path: string;
  readonly value: string;
  readonly why: string;
  readonly fix: string;
  readonly key: string;
  readonly field: string;
}

/** Returns a warning for each recorded field with reserved addresses. Faults (usage) at the first other one. */
export function checkReserved(intent: Intent, isRecorded: IsRecorded): string[] {
  return [...reservedFields(intent)].map(({ path, value, why, fix, key, field }) => {
    if (isRecorded(key, field, value)) {
      return `${path} ${value} cannot work: ${why}; accepted only because it is recorded`;
    }
    throw new Fault("usage", `${path} ${value} is refused`, { why, fix });
  });
}

function* reservedFields({ hosts, tenants }: Intent): Generator<Found> {
  for (const [index, { name, vtepIp }] of hosts.entries()) {
    const at = { path: `Hosts[${index}].VtepIp`, key: keys.host(name), field: "vtepIp" };
    yield* found(at, vtepIp, vtepRefusal, "give the host's own address");
  }
  for (const [index, { name, subnetPool, networks }] of tenants.entries()) {
    const path = `Tenants[${index}]`;
    const at = { path: `${path}.SubnetPool`, key: keys.tenant(name), field: "subnetPool" };
    // Of a pool that is larger than a reserved block, the rest can be used: choose_subnets.ts skips the block.
    yield* found(at, subnetPool, (text) => reservationOfAll(parseSubnet(text)));
    for (const [number, network] of networks.entries()) {
      yield* inNetwork(`${path}.Networks[${number}]`, name, network);
    }
  }
}

function* inNetwork(path: string, tenant: string, network: NetworkIntent): Generator<Found> {
  const { name, subnet, gateway, allocRange, endpoints } = network;
  const at = (spelled: string, field: string) => ({
    path: `${path}.${spelled}`,
    key: keys.network(tenant, name),
    field,
  });
  yield* found(
    at("SubnetCIDR", "subnet"),
    subnet,
    (text) => reservationOf(hostsIn(parseSubnet(text))),
  );
  yield* found(at("DefaultGw", "gateway"), gateway, (text) => reservationOf(single(text)));
  yield* found(
    at("AllocRange", "allocRange"),
    allocRange,
    (text) => reservationOf(parseAddressRange(text)),
  );
  for (const [index, { container, address }] of endpoints.entries()) {
    const key = keys.endpoint(tenant, name, container);
    const here = { path: `${path}.Endpoints[${index}].IpAddress`, key, field: "address" };
    yield* found(here, address, (text) => reservationOf(single(text)));
  }
}

function* found(
  at: Pick<Found, "path" | "key" | "field">,
  value: string | undefined,
  whyReserved: (value: string) => string | undefined,
  fix = "choose another one",
): Generator<Found> {
  const why = value === undefined ? undefined : whyReserved(value);
  if (value !== undefined && why !== undefined) yield { ...at, value, why, fix };
}

function single(text: string): Range {
  const address = parseAddress(text);
  return { first: address, last: address };
}
