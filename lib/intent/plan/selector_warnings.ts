// Warnings about networks for pods without an endpoint, where the settings cannot work as intended: reported
// when the intent is applied, as otherwise the first pod would be the one to notice.

import type { NetworkRecord, TenantRecord } from "../records.ts";
import { tenantKeyOf } from "./stored.ts";
import type { Target } from "./target.ts";

/** Returns warnings about conflicting default networks and about namespaces that are not served. */
export function selectorWarnings({ tenants, networks }: Target): string[] {
  return [...doubleDefaults(tenants, networks), ...shutOut(tenants, networks)];
}

function doubleDefaults(tenants: Target["tenants"], networks: Target["networks"]): string[] {
  const defaultByNamespace = new Map<string, string>();
  const warnings: string[] = [];
  for (const network of networks.values()) {
    if (!network.default) continue;
    const name = `${network.tenant}/${network.name}`;
    for (const namespace of servedBy(tenants.get(tenantKeyOf(network)))) {
      if (network.namespaces && !network.namespaces.includes(namespace)) continue;
      const other = defaultByNamespace.get(namespace);
      if (other === undefined) defaultByNamespace.set(namespace, name);
      else {
        warnings.push(
          `${other} and ${name} are both the default for namespace ${namespace}: ` +
            "pods there that name no tenant are refused",
        );
      }
    }
  }
  return warnings;
}

function shutOut(tenants: Target["tenants"], networks: Target["networks"]): string[] {
  return [...networks.values()].flatMap((network: NetworkRecord) => {
    const served = servedBy(tenants.get(tenantKeyOf(network)));
    const others = (network.namespaces ?? []).filter((one) => !served.includes(one));
    if (others.length === 0) return [];
    const names = others.slice(0, 3).join(", ");
    return [
      `network ${network.tenant}/${network.name} is for namespace ${names}, ` +
      `which tenant ${network.tenant} does not serve`,
    ];
  });
}

function servedBy(tenant: TenantRecord | undefined): readonly string[] {
  return tenant?.namespaces ?? ["default"];
}
