// Carries out steps on this host's links and Open vSwitch ports, each with its undo, and observes what
// is there. Everything that a step needs to know is in the step; what the intent says, it does not know.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { Links, PairSpec, PodLink } from "../../net/links.ts";
import type { PortSpec, Switch } from "../../ovs/switch.ts";
import type { Notifier } from "../../util/async/notifier.ts";
import type { Log } from "../../util/log.ts";
import { attachmentsIn, type HostView } from "../store/documents.ts";
import type { LinkRemovals } from "./link_removals.ts";
import { attachmentDifferences } from "./attachment_differences.ts";
import { attachmentToPair, attachmentToPort, hostEndOf, isWarmPort } from "./port_external_ids.ts";
import type { Actual, Desired, Step } from "./steps.ts";
import { withinUndoLimit } from "./undo_limit.ts";
import type { WarmPorts } from "./warm_ports.ts";

/** What plumbing works with. */
export interface PlumbingDeps extends HostView {
  readonly switch: Switch;
  readonly links: Pick<
    Links,
    "createPair" | "removeLinks" | "ensurePodSide" | "hostEnds" | "podLinks" | "podGateways"
  >;
  readonly linkRemovals: Pick<LinkRemovals, "add">;
  readonly warmPorts: Pick<WarmPorts, "attach" | "ensurePodSide" | "detach">;
  readonly log: Log;
  /** Notified where an undo has to be finished by the next reconciliation. */
  readonly reconcileSignal: Pick<Notifier, "notify">;
}

/** A sandbox whose links are asked for. */
export interface SandboxNetns {
  readonly sandbox: string;
  readonly netns: string;
}

/** The links and ports of this host's pods. Faults of all methods: those of the drivers. */
export interface Plumbing {
  /** Datapath of the bridge, `system` or `netdev`; `netdev` until the first `ensureBridge()`. */
  readonly datapath: string;
  /** Creates or corrects the bridge, and learns its datapath. */
  ensureBridge(): Promise<void>;
  /** Returns our rows and host ends as they are now, those whose name `isIncluded`. */
  observe(isIncluded?: (name: string) => boolean): Promise<Actual>;
  /**
   * Carries out one step. On a Fault nothing of that step is left. Repeatable. If it creates a pair of links, it calls
   * `onLinked` when that exists and its port is about to be added.
   */
  apply(step: Step, onLinked?: () => void): Promise<void>;
  /** Removes ports now; their links follow within milliseconds, which `linksGone` waits for. */
  detach(names: readonly string[]): Promise<{ readonly linksGone: Promise<void> }>;
  /** Makes the anti-spoofing flows of the ports among `present` exactly those of `desired`. */
  syncFlows(desired: readonly Desired[], present: ReadonlySet<string>): Promise<void>;
  /** Returns the links of a sandbox that are not ours, without the loopback. */
  foreignLinks(sandbox: SandboxNetns): Promise<PodLink[]>;
  /** Returns what differs from `desired` in the pod and on the switch, as text; nothing is changed. */
  differences(desired: Desired): Promise<string[]>;
}

/** Creates the plumbing of this host. Nothing is asked of the drivers yet. */
export function createPlumbing(deps: PlumbingDeps): Plumbing {
  let datapath = "netdev";
  const pairOf = async (attachment: AttachmentRecord) =>
    attachmentToPair(attachment, {
      // The userspace datapath forwards frames as they are: partial checksums would stay partial.
      checksumOffload: datapath === "system",
      hasForeign: attachment.gateway !== undefined && await hasForeignLink(deps, attachment),
    });
  const ensurePodSide = async (attachment: AttachmentRecord, more: Partial<PairSpec> = {}) => {
    const pair = { ...await pairOf(attachment), ...more };
    if (attachment.port === undefined) return await deps.links.ensurePodSide(pair);
    await deps.warmPorts.ensurePodSide(pair, { isReady: attachment.state === "ready" });
  };
  const plumbing: Plumbing = {
    get datapath() {
      return datapath;
    },
    ensureBridge: async () => {
      datapath = await deps.switch.ensureBridge();
    },
    observe: (isIncluded = () => true) => observe(deps, isIncluded),
    apply: async (step, onLinked = () => {}) => {
      switch (step.do) {
        case "detach":
          return await (await detach(deps, [step.name])).linksGone;
        case "attach":
          return await attach(deps, await pairOf(step.attachment), step, onLinked);
        case "port":
          await ensurePodSide(step.attachment);
          return await deps.switch.addPort(portOf(step));
        case "update":
          await ensurePodSide(step.attachment, { formerGateway: step.formerGateway });
          return await deps.switch.setExternalIds(portOf(step));
        case "pod":
          return await ensurePodSide(step.attachment);
        case "retag":
          return await deps.switch.setTag(hostEndOf(step.attachment), step.tag);
      }
    },
    detach: (names) => detach(deps, names),
    syncFlows: (desired, present) =>
      deps.switch.syncPorts(
        desired.filter(({ attachment }) => present.has(hostEndOf(attachment)))
          .map(portOf),
      ),
    foreignLinks: (sandbox) => foreignLinks(deps, sandbox),
    differences: (desired) => attachmentDifferences(deps, desired),
  };
  return plumbing;
}

function portOf({ attachment, tag, reach }: Desired): PortSpec {
  return attachmentToPort(attachment, tag, reach);
}

async function observe(
  deps: PlumbingDeps,
  isIncluded: (name: string) => boolean,
): Promise<Actual> {
  const [rows, ends] = await Promise.all([deps.switch.ports(), deps.links.hostEnds()]);
  return {
    rows: rows.filter((row) => isIncluded(row.name)),
    hostEnds: ends.map((end) => end.name).filter(isIncluded),
  };
}

async function detach(
  deps: PlumbingDeps,
  names: readonly string[],
): ReturnType<Plumbing["detach"]> {
  const [plain, warm] = [names.filter((name) => !isWarmPort(name)), names.filter(isWarmPort)];
  // Both are begun, whether the other fails or not.
  const [removed, parked] = await Promise.allSettled([
    plain.length > 0 ? deps.switch.removePorts(plain) : undefined,
    warm.length > 0 ? deps.warmPorts.detach(warm) : undefined,
  ]);
  if (removed.status === "rejected") throw removed.reason;
  const plainGone = deps.linkRemovals.add(plain);
  if (parked.status === "rejected") throw parked.reason;
  return { linksGone: Promise.all([plainGone, parked.value?.linksGone]).then(() => {}) };
}

async function attach(
  deps: PlumbingDeps,
  pair: ReturnType<typeof attachmentToPair>,
  desired: Desired,
  onLinked: () => void,
): Promise<void> {
  if (desired.attachment.port !== undefined) {
    return deps.warmPorts.attach(pair, desired, onLinked);
  }
  await using undo = new AsyncDisposableStack();
  // Each undo is registered before its step: it also matters where the step succeeded and its answer
  // was lost. A pair that stays would take the interface's name from the next try, and the next
  // reconciliation would adopt the port.
  undo.defer(() => withinUndoLimit(deps, deps.links.removeLinks([pair.hostEnd])));
  await deps.links.createPair(pair);
  undo.defer(() => withinUndoLimit(deps, deps.switch.removePorts([pair.hostEnd])));
  const adding = deps.switch.addPort(portOf(desired));
  onLinked();
  await adding;
  undo.move();
}

/** Reports whether another owner's interface is up in the sandbox (docker0's eth0). */
async function hasForeignLink(deps: PlumbingDeps, attachment: AttachmentRecord): Promise<boolean> {
  const { sandbox, netns, pod } = attachment;
  const foreign = (await foreignLinks(deps, { sandbox, netns })).find(({ isUp }) => isUp);
  if (!foreign) return false;
  deps.log.warn("foreign interface in the sandbox: no default route installed", {
    pod: `${pod.namespace}/${pod.name}`,
    interface: foreign.name,
  });
  return true;
}

async function foreignLinks(
  { store, host, links }: PlumbingDeps,
  { sandbox, netns }: SandboxNetns,
): Promise<PodLink[]> {
  const ours = attachmentsIn(store.documents, host, sandbox).map((one) => one.interface);
  const all = await links.podLinks(netns);
  return all.filter(({ name }) => name !== "lo" && !ours.includes(name));
}
