// Records back to an intent, and an intent to a file: the reverse of reading one.

import { NAMES, renameBack } from "./file/fields.ts";
import type { Intent, NetworkIntent } from "./intent.ts";
import { readDocuments } from "./plan/stored.ts";
import { storedAsDesired } from "./plan/desired_intent.ts";
import { type Documents, keys } from "./records.ts";

/**
 * Returns the stored records as an intent, sorted by name. Values chosen from a pool are left out, so that
 * planning the intent again may choose others; so are pins by `bind` and dynamic endpoints. Faults: failed.
 */
export function documentsToIntent(documents: Documents): Intent {
  const { cluster, hosts, tenants, networks, endpoints } = storedAsDesired(
    readDocuments(documents),
  );
  const networksOf = Map.groupBy(networks.values(), ({ tenant }) => tenant);
  const endpointsOf = Map.groupBy(
    endpoints.values().filter(({ dynamic }) => !dynamic),
    ({ tenant, network }) => keys.network(tenant, network),
  );
  const networkOf = (tenant: string, { tenant: _, ...network }: NetworkOf): NetworkIntent => ({
    ...network,
    endpoints: (endpointsOf.get(keys.network(tenant, network.name)) ?? [])
      .map(({ tenant: _tenant, network: _network, ...endpoint }) => endpoint),
  });
  return {
    ...cluster.get(keys.cluster),
    hosts: [...hosts.values()],
    tenants: [...tenants.values()].map((tenant) => ({
      ...tenant,
      networks: (networksOf.get(tenant.name) ?? []).map((one) => networkOf(tenant.name, one)),
    })),
    hostBindings: [],
  };
}

type NetworkOf = Omit<NetworkIntent, "endpoints"> & { readonly tenant: string };

/** Returns `intent` as the object of a file, in the original's spelling. */
export function intentToFile(
  { hosts, tenants, hostBindings, ...cluster }: Intent,
): Record<string, unknown> {
  const file = {
    ...renameBack(cluster, NAMES.cluster),
    Hosts: hosts.map((host) => renameBack(host, NAMES.host)),
    Tenants: tenants.map(({ networks, ...tenant }) => ({
      ...renameBack(tenant, NAMES.tenant),
      Networks: networks.map(({ endpoints, ...network }) => ({
        ...renameBack(network, NAMES.network),
        Endpoints: endpoints.map((endpoint) => renameBack(endpoint, NAMES.endpoint)),
      })),
    })),
  };
  const bindings = hostBindings.map((binding) => renameBack(binding, NAMES.binding));
  return bindings.length > 0 ? { ...file, HostBindings: bindings } : file;
}
