// Does the steps: links and ports, each with its undo. What a step needs to know is in the step.

import type { AttachmentRecord } from "../../intent/records.ts";
import { faultFrom } from "../../util/errors.ts";
import { attachmentsIn } from "../store/documents.ts";
import { attachmentToPair, attachmentToPort, hostEndOf } from "./port_external_ids.ts";
import type { PodLink } from "../../net/links.ts";
import type { Step } from "./steps.ts";
import type { World } from "../world.ts";

// An answer to a caller waits this long for an undo: an Open vSwitch that is away takes its 8 s again.
const UNDO_MS = 1_500;

/** Does one step. On a Fault nothing of that step is left. Repeatable. */
export async function applyStep(world: World, step: Step): Promise<void> {
  switch (step.do) {
    case "detach":
      await world.switch.removePorts([step.name]);
      await world.linkRemovals.add([step.name]);
      return;
    case "attach":
      await attach(world, step.attachment, step.tag);
      return;
    case "port":
      await repairPort(world, step.attachment, step.tag);
      return;
    case "pod":
      await world.links.ensurePodSide(await pairOf(world, step.attachment));
      return;
    case "retag":
      await world.switch.setTag(hostEndOf(step.attachment), step.tag);
      return;
  }
}

async function attach(world: World, attachment: AttachmentRecord, tag: number): Promise<void> {
  const pair = await pairOf(world, attachment);
  await using undo = new AsyncDisposableStack();
  // Each before its step: of use where something came and its answer did not. A pair that stays would
  // take the interface's name from the next try, and a look would adopt the port.
  undo.defer(() => orNextLook(world, world.links.removeLinks([pair.hostEnd])));
  await world.links.createPair(pair);
  undo.defer(() => orNextLook(world, world.switch.removePorts([pair.hostEnd])));
  await world.switch.addPort(attachmentToPort(attachment, tag));
  undo.move();
}

/** What cannot be undone soon is a stray that a look finds; why it came to that is the better answer. */
async function orNextLook(
  { log, reconcileSignal }: World,
  undoing: Promise<void>,
): Promise<void> {
  const undone = undoing.catch((error) => {
    log.warn(`undo left to a look: ${faultFrom(error).message}`);
    reconcileSignal.notify();
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, UNDO_MS));
  await Promise.race([undone, late]);
  clearTimeout(timer);
}

async function repairPort(world: World, attachment: AttachmentRecord, tag: number): Promise<void> {
  await world.links.ensurePodSide(await pairOf(world, attachment));
  await world.switch.addPort(attachmentToPort(attachment, tag));
}

async function pairOf(world: World, attachment: AttachmentRecord) {
  return attachmentToPair(attachment, {
    // The userspace datapath passes frames on as they are: half-made checksums would stay so.
    checksumOffload: world.datapath === "system",
    hasForeign: attachment.gateway !== undefined && await hasForeignLink(world, attachment),
  });
}

/** Reports whether somebody else's interface is up in the sandbox (docker0's eth0). */
async function hasForeignLink(world: World, attachment: AttachmentRecord): Promise<boolean> {
  const { sandbox, netns, pod } = attachment;
  const foreign = (await foreignLinks(world, { sandbox, netns })).find(({ isUp }) => isUp);
  if (foreign) {
    world.log.warn("foreign interface in the sandbox: no default route installed", {
      pod: `${pod.namespace}/${pod.name}`,
      interface: foreign.name,
    });
  }
  return foreign !== undefined;
}

/** Returns the links of a sandbox that are not ours, without the loopback. */
export async function foreignLinks(
  world: World,
  { sandbox, netns }: { readonly sandbox: string; readonly netns: string },
): Promise<PodLink[]> {
  const ours = attachmentsIn(world.store.documents, world.host, sandbox)
    .map((one) => one.interface);
  const links = await world.links.podLinks(netns);
  return links.filter(({ name }) => name !== "lo" && !ours.includes(name));
}

/** Takes ports away now and their links soon after, which `linksGone` tells. */
export async function detach(
  world: World,
  names: readonly string[],
): Promise<{ readonly linksGone: Promise<void> }> {
  await world.switch.removePorts(names);
  return { linksGone: world.linkRemovals.add(names) };
}
