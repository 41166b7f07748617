// Sets up, tears down and tells the status of one pod. The same steps as reconcile, narrowed to one
// sandbox: identify, choose, claim, do, say. Work for one sandbox is serialised by the caller.

import { chooseEndpoints, matchesSwapped } from "../../intent/bind.ts";
import type { AttachmentRecord } from "../../intent/records.ts";
import { keys } from "../../intent/records.ts";
import type { Sandbox } from "../../runtimes/runtime.ts";
import type { Json } from "../../store/store.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import type { PodRequest, SetupAnswer, StatusAnswer, TeardownAnswer } from "../api.ts";
import { applyStep, detach, foreignLinks } from "./attach.ts";
import { type Claim, type Place, planClaim } from "./claim.ts";
import { attachmentKey, attachmentsIn, findEndpoint } from "../record/documents.ts";
import { attachmentItem } from "../serve/items.ts";
import { bareAddress, hostEndOf } from "./rows.ts";
import { type Actual, planSteps, type Step } from "../look/steps.ts";
import { wantedOf } from "./wanted.ts";
import type { World } from "../world.ts";

/**
 * Connects a pod as the intent says and answers when its network works.
 * Faults: not_found (sandbox), conflict (belongs elsewhere), exhausted, unavailable, timeout.
 * With `isLate` nobody has asked for it: then it takes no endpoint from another sandbox.
 */
export async function setupPod(
  world: World,
  request: PodRequest,
  { isLate = false } = {},
): Promise<SetupAnswer> {
  const started = world.now();
  const sandbox = await findSandbox(world, request.sandbox);
  if (sandbox.isHostNetwork) return { outcome: "host-network", attachments: [] };
  const taken = (await foreignLinks(world, { ...sandbox, sandbox: sandbox.id }))
    .map((link) => link.name);
  const { pod, choices } = await chooseSurely(world, { request, sandbox, taken });
  if (choices.length === 0) return unmatched(world, { ...request, ...pod }, sandbox.id);
  world.unmatched.remove(sandbox.id);
  const place: Place = {
    host: world.host,
    sandbox: sandbox.id,
    netns: sandbox.netns,
    netnsInode: sandbox.netnsInode,
    startTime: sandbox.startTime,
    pod,
  };
  await world.mtus.follow(world.mirror.documents);
  const plan = (documents: World["mirror"]["documents"]) => {
    const { choices } = choose(world, { request, sandbox, taken });
    const claim = planClaim(documents, place, choices, {
      newId: world.newId,
      mtuOf: (network) => world.mtus.of(network),
    });
    const isTaken = isLate && claim.stale.some((one) => one.sandbox !== sandbox.id);
    return isTaken ? NOTHING : claim;
  };
  // Two sandboxes of one name may want one endpoint: whoever comes later sees what the other claimed.
  const claim = await world.queue.run(
    `claim ${pod.namespace}/${pod.name}`,
    () => commitClaim(world, plan),
  );
  await realise(world, claim);
  const fresh = claim.attachments.filter((one) => one.state !== "ready");
  for (const one of fresh) logAttached(world, one, world.now() - started);
  const documents = world.mirror.documents;
  return {
    outcome: "ready",
    attachments: claim.attachments.map((one) =>
      attachmentItem({ ...one, state: "ready" }, wantedOf(world, documents, one).tag)
    ),
  };
}

const NOTHING: Claim = { attachments: [], isNew: false, stale: [], checks: [], writes: [] };

async function findSandbox(world: World, id: string): Promise<Sandbox> {
  const sandbox = await world.runtimes.findSandbox(id);
  if (!sandbox) {
    throw new Fault("not_found", `sandbox ${id} is unknown`, {
      why: "no container runtime and no /run/netns entry knows it",
      fix: "check the id, and the agent's --docker",
    });
  }
  if (sandbox.isRunning) return sandbox;
  throw new Fault("not_found", `sandbox ${id} is not running`, {
    why: "it has no network namespace any more",
    fix: "start the container again",
  });
}

/** What was applied on another host a moment ago may be in the store and not yet here. */
async function chooseSurely(world: World, wish: Parameters<typeof choose>[1]) {
  const known = choose(world, wish);
  if (known.choices.length > 0) return known;
  // A store that does not answer: then what is known decides.
  await world.mirror.catchUp().catch(() => {});
  return choose(world, wish);
}

/** Kubelets give namespace, then name; the guide said the reverse. What the runtime knows decides. */
function choose(
  world: World,
  { request, sandbox, taken }: {
    readonly request: PodRequest;
    readonly sandbox: Sandbox;
    readonly taken: readonly string[];
  },
) {
  const documents = world.mirror.documents;
  const given = sandbox.pod ?? { namespace: request.namespace, name: request.name };
  const query = {
    host: world.host,
    namespace: given.namespace,
    pod: given.name,
    sandbox: sandbox.id,
  };
  if (!sandbox.pod && matchesSwapped(documents, query)) {
    world.log.warn("arguments came in the old guide's order: pod, namespace", {
      pod: given.namespace,
      namespace: given.name,
    });
    const pod = { namespace: given.name, name: given.namespace };
    const swapped = { ...query, namespace: pod.namespace, pod: pod.name };
    return { pod, choices: chooseEndpoints(documents, swapped, { taken }) };
  }
  const pod = { namespace: given.namespace, name: given.name };
  return { pod, choices: chooseEndpoints(documents, query, { taken }) };
}

function unmatched(world: World, pod: PodRequest, sandbox: string): SetupAnswer {
  const reason = `no endpoint names ${pod.namespace}/${pod.name}`;
  world.unmatched.add({ ...pod, sandbox }, reason);
  if (world.onUnmatched === "fail") {
    throw new Fault("not_found", `pod ${pod.namespace}/${pod.name} has no endpoint`, {
      why: "nothing in the intent names it",
      fix: 'add an endpoint with "k8contivnet apply"',
    });
  }
  world.log.info("pod left alone", { pod: `${pod.namespace}/${pod.name}`, reason });
  return { outcome: "unmatched", attachments: [] };
}

/** Commits what `plan` wants of the documents as they are at that moment. */
async function commitClaim(
  world: World,
  plan: (documents: World["mirror"]["documents"]) => Claim,
): Promise<Claim> {
  let claim: Claim | undefined;
  await world.mirror.commit((documents) => {
    claim = plan(documents);
    return claim.writes.length > 0 ? claim : undefined;
  });
  if (!claim) throw new Fault("failed", "claim was not planned");
  return claim;
}

/** Makes the claimed attachments real, or leaves nothing of those that were not ready before. */
async function realise(world: World, claim: Claim): Promise<void> {
  if (claim.stale.length > 0) {
    const { linksGone } = await detach(world, claim.stale.map(hostEndOf));
    // Its interface name may be wanted again in the same sandbox.
    const sandboxes = claim.attachments.map((one) => one.sandbox);
    if (claim.stale.some((one) => sandboxes.includes(one.sandbox))) await linksGone;
  }
  // Before the port: its tag may have been another network's, whose way to other hosts goes first.
  await world.fabric.ensure(world);
  const fresh = claim.attachments.filter((one) => one.state !== "ready");
  const steps = await stepsFor(world, claim);
  if (steps.length === 0 && fresh.length === 0) return;
  const results = await Promise.allSettled(steps.map((step) => applyStep(world, step)));
  const failed = results.find((result) => result.status === "rejected");
  try {
    if (failed) throw failed.reason;
    await markReady(world, fresh);
  } catch (error) {
    // A step that failed has undone itself already.
    const done = steps.filter((_, at) => results[at]?.status === "fulfilled");
    await giveUp(world, fresh, done);
    throw error;
  }
}

/** New attachments need no look at the host, and new is what most are. */
async function stepsFor(world: World, { attachments, isNew }: Claim): Promise<Step[]> {
  const documents = world.mirror.documents;
  const wanted = attachments.map((one) => wantedOf(world, documents, one));
  if (isNew) return planSteps(wanted, { rows: [], hostEnds: [] });
  const mine = new Set(attachments.map(hostEndOf));
  return planSteps(wanted, await observe(world, (name) => mine.has(name)));
}

/** Gives our rows and host ends as they are now, those whose name `isMeant`. */
export async function observe(
  world: World,
  isMeant: (name: string) => boolean = () => true,
): Promise<Actual> {
  const [rows, ends] = await Promise.all([world.switch.ports(), world.links.hostEnds()]);
  return {
    rows: rows.filter((row) => isMeant(row.name)),
    hostEnds: ends.map((end) => end.name).filter(isMeant),
  };
}

async function markReady(world: World, fresh: readonly AttachmentRecord[]): Promise<void> {
  if (fresh.length === 0) return;
  await world.mirror.commit((documents) => {
    const present = fresh.map((one) => ({ one, key: attachmentKey(one) }));
    for (const { one, key } of present) {
      if ((documents.get(key)?.value as AttachmentRecord | undefined)?.id === one.id) continue;
      throw new Fault(
        "conflict",
        `attachment of ${one.pod.namespace}/${one.pod.name} was taken away`,
        {
          why: "its endpoint was deleted or went to another sandbox meanwhile",
          fix: "see k8contivnet get endpoints",
        },
      );
    }
    return {
      checks: present.map(({ key }) => ({ key, revision: documents.get(key)?.revision ?? 0 })),
      writes: present.map(({ one, key }) => ({
        key,
        value: { ...one, state: "ready" } as unknown as Json,
      })),
    };
  });
}

/** Takes back what a failed set-up claimed. What cannot be taken back now, the next look will. */
async function giveUp(
  world: World,
  fresh: readonly AttachmentRecord[],
  done: readonly Step[],
): Promise<void> {
  const names = done.flatMap((step) => step.do === "detach" ? [] : [hostEndOf(step.attachment)]);
  try {
    await releaseAttachments(world, fresh);
    await (await detach(world, names)).linksGone;
  } catch (error) {
    world.log.warn(`undo left to the next look: ${faultFrom(error).message}`);
  }
  world.bell.ring();
}

/** Deletes the documents of `attachments` as far as they are still theirs. */
export async function releaseAttachments(
  world: World,
  attachments: readonly AttachmentRecord[],
): Promise<void> {
  await world.mirror.commit((documents) => {
    const present = attachments.map(attachmentKey)
      .map((key) => ({ key, document: documents.get(key) }))
      .filter(({ document }) =>
        attachments.some((one) => one.id === (document?.value as AttachmentRecord | undefined)?.id)
      );
    if (present.length === 0) return undefined;
    return {
      checks: present.map(({ key, document }) => ({ key, revision: document?.revision ?? 0 })),
      writes: present.map(({ key }) => ({ key, value: undefined })),
    };
  });
}

/** Disconnects a pod. One that is unknown or gone is success. Faults: unavailable, timeout. */
export async function teardownPod(world: World, request: PodRequest): Promise<TeardownAnswer> {
  world.unmatched.remove(request.sandbox);
  const present = attachmentsIn(world.mirror.documents, world.host, request.sandbox);
  if (present.length === 0) return { released: 0 };
  // The port first: what is cut off in between is a record without a port, which the repeated
  // teardown, or the grace time of a sandbox that is gone, takes away.
  const { linksGone } = await detach(world, present.map(hostEndOf));
  // Whatever comes next for this sandbox finds it empty.
  void world.queue.run(request.sandbox, () => linksGone);
  await releaseAttachments(world, present);
  world.fabricBell.ring();
  for (const { pod, tenant, network, addresses } of present) {
    world.log.info("detached", {
      pod: `${pod.namespace}/${pod.name}`,
      network: `${tenant}/${network}`,
      address: addresses.map(bareAddress).join(","),
    });
  }
  return { released: present.length };
}

/** Tells the pod's address: that of eth0, or of its first interface. Not known: nothing. */
export function statusOfPod(world: World, request: PodRequest): StatusAnswer {
  const ready = attachmentsIn(world.mirror.documents, world.host, request.sandbox)
    .filter((one) => one.state === "ready")
    .sort((a, b) => a.interface < b.interface ? -1 : 1);
  const [address] = ready[0]?.addresses ?? [];
  return address ? { ip: bareAddress(address) } : {};
}

function logAttached(world: World, one: AttachmentRecord, ms: number): void {
  world.log.info("attached", {
    pod: `${one.pod.namespace}/${one.pod.name}`,
    network: `${one.tenant}/${one.network}`,
    address: one.addresses.map(bareAddress).join(","),
    ms: Math.round(ms * 10) / 10,
  });
}

/** Reports whether the endpoint of an attachment still wants it here, in this generation. */
export function isStillBound(world: World, one: AttachmentRecord): boolean {
  const endpoint = findEndpoint(world.mirror.documents, one);
  return endpoint !== undefined && endpoint.bound?.host === world.host &&
    endpoint.bound.generation === one.generation &&
    one.addresses.map(bareAddress).includes(endpoint.address) &&
    world.mirror.documents.has(keys.network(one.tenant, one.network));
}
