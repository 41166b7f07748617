// What an ADD may not ask of the endpoint that was chosen for it.

import type { Choice } from "../../intent/bind.ts";
import { dynamicEndpointName } from "../../intent/dynamic.ts";
import { Fault } from "../../util/errors.ts";
import { hostEndOf } from "../pods/port_external_ids.ts";
import { attachmentsAt, attachmentsIn, findNetwork } from "../store/documents.ts";
import type { ChoiceView, InterfaceRequest } from "./cni_choice.ts";

/** Two interfaces of a container are in two networks; a MAC is unique in its network. Faults: conflict. */
export function refuseSecond(
  { host, documents }: Omit<ChoiceView, "dead">,
  { pod, sandbox, interface: name, mac }: InterfaceRequest,
  { endpoint: { tenant, network, container } }: Choice,
): void {
  if (container === dynamicEndpointName(pod)) {
    const other = attachmentsIn(documents, host, sandbox).find((one) =>
      one.interface !== name && one.tenant === tenant && one.network === network &&
      one.endpoint === container
    );
    if (other) {
      throw new Fault("conflict", `${name} cannot be a second interface in ${tenant}/${network}`, {
        why: `${other.interface} of this container is in this network already`,
        fix: "name another network in the configuration, or write an endpoint for it",
      });
    }
  }
  const same = mac === undefined
    ? undefined
    : attachmentsAt(documents, { tenant, name: network }).find((one) =>
      one.mac === mac && one.sandbox !== sandbox
    );
  if (!same) return;
  throw new Fault("conflict", `MAC ${mac} is in use in ${tenant}/${network}`, {
    why: `${same.pod.namespace}/${same.pod.name} on ${same.host} has it (${hostEndOf(same)})`,
    fix: "request another one, or none",
  });
}

/**
 * Host ports are mapped to the pod's address in the host's stack, where another network's pod has that of an
 * aliased one: strangers would reach the wrong pod. Faults: conflict.
 */
export function refuseHostPorts(
  { documents }: Omit<ChoiceView, "dead">,
  { pod, hostPorts }: InterfaceRequest,
  { endpoint }: Choice,
): void {
  const owner = hostPorts.length === 0
    ? undefined
    : findNetwork(documents, endpoint)?.aliasedBecause;
  if (owner === undefined) return;
  const { tenant, network } = endpoint;
  throw new Fault(
    "conflict",
    `pod ${pod.namespace}/${pod.name} cannot have hostPort ${hostPorts[0]}`,
    {
      why: `${tenant}/${network} is aliased: for hosts, its addresses are those of ${owner}`,
      fix: `use a port of a service, or another network than ${tenant}/${network}`,
    },
  );
}
