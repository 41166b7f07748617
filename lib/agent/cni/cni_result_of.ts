// The result of an ADD: the attachment's interfaces, address and routes, after those of the plugins before
// this one. Pure.

import type { CniCall, CniIp, CniResult } from "../../cni/cni_types.ts";
import type { AttachmentRecord } from "../../intent/records.ts";
import { hostEndOf } from "../pods/port_external_ids.ts";

const NOTHING: CniResult = { interfaces: [], ips: [], routes: [], dns: {} };

/** Returns what `attachment` adds to the result of the plugins before: `hasForeign`, where one has the default route. */
export function resultOf(
  { netns, config }: Pick<CniCall, "netns" | "config">,
  attachment: AttachmentRecord,
  { hasForeign }: { readonly hasForeign: boolean },
): CniResult {
  const { interface: name, mac, mtu, addresses, gateway } = attachment;
  const before = config.prevResult ?? NOTHING;
  const at = before.interfaces.length;
  const hasRoute = gateway !== undefined && !hasForeign;
  return {
    ...before,
    interfaces: [
      ...before.interfaces,
      { name: hostEndOf(attachment), mtu },
      { name, mac, mtu, sandbox: netns },
    ],
    ips: [
      ...before.ips,
      ...addresses.map((address): CniIp => ({
        address,
        ...(gateway === undefined ? {} : { gateway }),
        interface: at + 1,
      })),
    ],
    routes: [...before.routes, ...hasRoute ? [{ dst: "0.0.0.0/0", gw: gateway }] : []],
    dns: config.runtimeConfig.dns ?? config.dns ?? before.dns,
  };
}
