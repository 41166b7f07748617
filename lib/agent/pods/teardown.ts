// Disconnects one pod, tells its address, and tells what has lost its place. Work for one sandbox is
// serialised by the caller.

import { type AttachmentRecord, keys } from "../../intent/records.ts";
import type { PodRequest, StatusAnswer, TeardownAnswer } from "../api.ts";
import { attachmentsIn, findEndpoint } from "../store/documents.ts";
import type { World } from "../world.ts";
import { detach } from "./attach.ts";
import { releaseAttachments } from "./apply_claim.ts";
import { bareAddress, hostEndOf } from "./port_external_ids.ts";
import { logDetached } from "./attachment_log.ts";

/** Disconnects a pod. One that is unknown or gone is success. Faults: unavailable, timeout. */
export async function teardownPod(world: World, request: PodRequest): Promise<TeardownAnswer> {
  const started = world.now();
  world.tornDown.add(request.sandbox);
  world.unmatched.remove(request.sandbox);
  const present = attachmentsIn(world.store.documents, world.host, request.sandbox);
  if (present.length === 0) return { released: 0 };
  // The port first: what is cut off in between is a record without a port, which the repeated
  // teardown, or the grace time of a sandbox that is gone, takes away.
  const { linksGone } = await detach(world, present.map(hostEndOf));
  // Whatever comes next for this sandbox finds it empty.
  void world.queue.run(request.sandbox, () => linksGone);
  await releaseAttachments(world, present);
  world.fabricSignal.notify();
  world.policies.signal.notify();
  for (const one of present) logDetached(world, one, started);
  return { released: present.length };
}

/** Tells the pod's address: that of eth0, or of its first interface. Not known: nothing. */
export function statusOfPod(world: World, request: PodRequest): StatusAnswer {
  const ready = attachmentsIn(world.store.documents, world.host, request.sandbox)
    .filter((one) => one.state === "ready")
    .sort((a, b) => a.interface < b.interface ? -1 : 1);
  const [address] = ready[0]?.addresses ?? [];
  return address ? { ip: bareAddress(address) } : {};
}

/** Reports whether the endpoint of an attachment still wants it here, in this generation. */
export function isStillBound(world: World, one: AttachmentRecord): boolean {
  const endpoint = findEndpoint(world.store.documents, one);
  return endpoint !== undefined && endpoint.bound?.host === world.host &&
    endpoint.bound.generation === one.generation &&
    one.addresses.map(bareAddress).includes(endpoint.address) &&
    world.store.documents.has(keys.network(one.tenant, one.network));
}
