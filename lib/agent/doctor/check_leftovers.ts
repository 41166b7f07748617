// What another network plugin has left on a host where pods' networks are ours: its links, with routes and rules that
// may still take packets.

import type { CheckItem } from "../api/agent_health.ts";
import { cniConfigs, hasExecPlugin } from "./cni_folder.ts";
import { linksOf } from "./fabric_records.ts";
import { type CheckContext, findingsOf } from "./findings.ts";

const { ok, warning } = findingsOf("callers");

/** Links by which a plugin is known, and types of its CNI plugins. */
const PLUGINS: readonly {
  readonly name: string;
  readonly links: RegExp;
  readonly types: RegExp;
}[] = [
  { name: "flannel", links: /^(flannel[.-]|flannel-wg)/, types: /^flannel$/ },
  { name: "the bridge plugin", links: /^cni0$/, types: /^(bridge|flannel)$/ },
  {
    name: "Calico",
    links: /^(cali[0-9a-f]{11}|vxlan[.]calico|vxlan-v6[.]calico)$/,
    types: /calico/,
  },
  { name: "Weave Net", links: /^(weave|vethwe-|vxlan-6784)/, types: /^weave/ },
  { name: "Cilium", links: /^cilium_/, types: /^cilium/ },
  { name: "Antrea", links: /^antrea-(gw|tun)0$/, types: /^antrea$/ },
  { name: "OVN-Kubernetes", links: /^ovn-k8s-(mp|gw)0$/, types: /^ovn-k8s/ },
  { name: "kube-router", links: /^kube-bridge$/, types: /^bridge$/ },
  {
    name: "contiv netplugin",
    links: /^(contivh[01]|contivVlanBridge|contivVxlanBridge)$/,
    types: /^contiv/,
  },
];

/** Checks what others have left. */
export async function checkLeftovers({ machine }: CheckContext): Promise<CheckItem[]> {
  const configs = await cniConfigs(machine).catch(() => []);
  const isOurs = configs[0]?.isOurs ?? await hasExecPlugin(machine);
  if (!isOurs) return [];
  const names = (await linksOf(machine).catch(() => [])).map(({ ifname }) => ifname);
  const types = configs.flatMap((one) => one.types);
  const items = PLUGINS.flatMap(({ name, links, types: known }) => {
    const left = names.filter((link) => links.test(link));
    if (left.length === 0 || types.some((type) => known.test(type))) return [];
    const shown = left.slice(0, 3).join(", ") +
      (left.length > 3 ? ` and ${left.length - 3} more` : "");
    const message = `links of ${name} are left, which no configuration uses: ${shown}`;
    const fix = `ip link delete ${left[0]}, or remove ${name} and start the host again`;
    return [warning("leftovers", message, fix)];
  });
  return items.length > 0 ? items : [ok("leftovers", "no links of other network plugins")];
}
