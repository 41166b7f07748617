// Where a pod of this host runs, for the commands that enter its network namespace. A pod that is not here is said to
// be on its host, or in its namespace of Kubernetes.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { Runtimes } from "../../runtimes/runtime.ts";
import { Fault, oneLine } from "../../util/errors.ts";
import type { SandboxAnswer, SandboxRequest } from "../api/diagnosis_requests.ts";
import { UnknownPod } from "../store/unknown_pod.ts";
import type { UnmatchedPods } from "../pods/unmatched_pods.ts";
import { allAttachments, attachmentsOf, type HostView } from "../store/documents.ts";

/** What is known of pods. */
export interface PodSandboxDeps extends HostView {
  readonly runtimes: Pick<Runtimes, "findSandbox" | "isAlive">;
  readonly unmatched: Pick<UnmatchedPods, "list">;
}

/**
 * Returns where the pod runs, also if it has no network. Faults: not_found, with where it is instead; those of a
 * runtime that does not answer.
 */
export async function podSandbox(
  deps: PodSandboxDeps,
  pod: SandboxRequest,
): Promise<SandboxAnswer> {
  const { host, runtimes, store: { documents } } = deps;
  const isAsked = isPod(pod);
  const mine = attachmentsOf(documents, host).filter((one) => isAsked(one.pod));
  for (const sandbox of newestFirst(mine)) {
    const [first] = sandbox;
    if (!first || !await runtimes.isAlive(first)) continue;
    const { netns, netnsInode } = first;
    const interfaces = sandbox.map(({ tenant, network, addresses, interface: name }) => ({
      ...{ name, network: `${tenant}/${network}`, addresses },
    }));
    return { ...pod, host, sandbox: first.sandbox, netns, netnsInode, interfaces };
  }
  return await withoutNetwork(deps, pod) ?? raise(notHere(deps, pod, mine.length > 0));
}

/** Returns the attachments by sandbox: those that are ready come first, as a pod's old sandbox may be there, too. */
function newestFirst(attachments: readonly AttachmentRecord[]): AttachmentRecord[][] {
  const rank = (all: readonly AttachmentRecord[]) => all.some(({ state }) => state === "ready");
  return [...Map.groupBy(attachments, ({ sandbox }) => sandbox).values()]
    .sort((a, b) => Number(rank(b)) - Number(rank(a)));
}

/** Returns a pod that was set up here without a network; undefined if there is none that runs. */
async function withoutNetwork(
  { host, runtimes, unmatched }: PodSandboxDeps,
  pod: SandboxRequest,
): Promise<SandboxAnswer | undefined> {
  const isAsked = isPod(pod);
  for (const left of unmatched.list().filter((one) => isAsked(one.pod)).reverse()) {
    const found = await runtimes.findSandbox(left.pod.sandbox);
    if (!found?.isRunning) continue;
    const { id: sandbox, netns, netnsInode } = found;
    return { ...pod, host, sandbox, netns, netnsInode, interfaces: [] };
  }
}

function notHere(
  { host, store: { documents }, unmatched }: PodSandboxDeps,
  pod: SandboxRequest,
  wasHere: boolean,
): Fault {
  const what = `pod ${pod.namespace}/${pod.name}`;
  if (wasHere) {
    return new Fault("not_found", `${what} does not run any longer`, {
      why: "its network namespace is gone",
      fix: "start it again; see k8contivnet get attachments",
    });
  }
  const all = [
    ...allAttachments(documents),
    ...unmatched.list().map((one) => ({ pod: one.pod, host })),
  ];
  const elsewhere = all.find((one) => isPod(pod)(one.pod));
  if (elsewhere) {
    return new Fault("not_found", `${what} is on host ${oneLine(elsewhere.host)}`, {
      why: `this is host ${host}, and only a pod's own host can enter its network`,
      fix: "run the command there",
    });
  }
  const namesake = all.find((one) => one.pod.name === pod.name)?.pod;
  const fix = namesake
    ? `did you mean ${oneLine(namesake.namespace)}/${oneLine(namesake.name)}?`
    : "see k8contivnet get pods -A";
  return new UnknownPod(`${what} not found`, fix);
}

function isPod(pod: SandboxRequest): (other: SandboxRequest) => boolean {
  return (other) => other.namespace === pod.namespace && other.name === pod.name;
}

function raise(fault: Fault): never {
  throw fault;
}
