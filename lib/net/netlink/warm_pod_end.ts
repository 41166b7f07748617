// A pod's interface on the inner end of a warm port: created, configured, removed.

import type { PairSpec } from "../links.ts";
import { innerEndUnusable, interfaceTaken, notPaired } from "../sandbox_checks.ts";
import type { WarmPodEnd } from "../warm_links.ts";
import { faultFrom } from "../../util/errors.ts";
import type { HoldingNamespace } from "./holding_namespace.ts";
import type { Libc } from "./libc.ts";
import type { NetlinkSocket } from "./netlink_socket.ts";
import { configureNew, removeFormerRoute, repairHostEnd, routeFor, setPodEnd } from "./pair.ts";
import { orAbsent } from "./removal.ts";
import type { KernelLink } from "./replies.ts";
import { deleteLink, IFLA, nameNamespace, newPassthru, setLink } from "./requests.ts";
import { findLink, inSandbox, type Inside, isRefusal, linksOf, openHere } from "./session.ts";
import { disableChecksumOffload } from "./settings.ts";

/** What this file works with. */
export interface WarmPlace {
  readonly libc: Libc;
  readonly holding: HoldingNamespace;
  /** Indexes of inner ends by name, of those that are known: a name is never used again. */
  readonly innerIndexes: Map<string, number>;
}

// Of interfaces in pods: other programs let the kernel number theirs, from 2 on.
const [FIRST_INDEX, INDEXES] = [1_000, 99_000];

// A namespace that was destroyed releases its links within 50 to 170 ms.
const [FREE_LIMIT_MS, FREE_EVERY_MS] = [2_000, 20];

/** Reports whether the kernel has macvlan. */
export async function hasMacvlan({ holding }: WarmPlace): Promise<boolean> {
  using there = holding.openSocket();
  try {
    // Loopback is refused as the lower link, but only after the kind is known: nothing is created.
    await there.request(
      newPassthru({ name: "probe", index: 0, lower: 1, mtu: 1_500, netnsFd: holding.fd }),
    );
    return true;
  } catch (error) {
    if (isRefusal(error, "EOPNOTSUPP")) return false;
    if (isRefusal(error, "EINVAL")) return true;
    throw error;
  }
}

/** Creates the interface and configures it, or leaves nothing behind: two requests, as each is a thread's turn. */
export async function attachPod(place: WarmPlace, spec: PairSpec): Promise<void> {
  const { libc, holding } = place;
  using there = holding.openSocket();
  const lower = place.innerIndexes.get(spec.hostEnd) ??
    (await innerEndOf(there, spec.hostEnd)).index;
  const isNew = await inSandbox(
    libc,
    spec,
    (inside) => addPodEnd(libc, there, inside, { lower, spec }),
  );
  // It was there, as a repeated set-up finds it.
  if (!isNew) await ensurePodSide(place, spec);
}

/** Returns false where the interface existed, on that lower link. */
async function addPodEnd(
  libc: Libc,
  there: NetlinkSocket,
  { socket, file }: Inside,
  { lower, spec }: { readonly lower: number; readonly spec: PairSpec },
): Promise<boolean> {
  const { hostEnd, interface: name, netns, mtu } = spec;
  // Chosen here, so that the next request need not ask for it.
  const index = FIRST_INDEX + Math.floor(Math.random() * INDEXES);
  await using undo = new AsyncDisposableStack();
  try {
    await there.request(newPassthru({ name, index, lower, mtu, netnsFd: file.fd }));
  } catch (error) {
    const links = await linksOf(socket);
    if (childOf({ index: lower }, links)?.name === name) return false;
    if (links.some((link) => link.name === name)) throw interfaceTaken(name, netns);
    // EINVAL: it has a macvlan already. EBUSY: a bridge or bond has it. ENODEV: it is gone.
    if (!isRefusal(error, "EINVAL", "EBUSY", "ENODEV")) throw error;
    throw innerEndUnusable(
      hostEnd,
      isRefusal(error, "ENODEV") ? "its inner end is gone" : "it is occupied",
    );
  }
  undo.defer(() => orAbsent(socket.requestBeside(deleteLink(name, index))));
  await configureNew(socket, index, spec);
  // Not before: ovs-vswitchd would hear of each of these changes, and take a turn for it while the pod's flows wait.
  follow(libc, file.fd);
  undo.move();
  return true;
}

/** Configures the interface, and repairs both ends of its pair. */
export async function ensurePodSide({ libc, holding }: WarmPlace, spec: PairSpec): Promise<void> {
  using here = openHere(libc);
  using there = holding.openSocket();
  await inSandbox(libc, spec, async ({ socket, file }) => {
    const [outer, inner] = [
      await findLink(here, spec.hostEnd),
      await findLink(there, spec.hostEnd),
    ];
    const pod = await findLink(socket, spec.interface);
    const isPair = outer && inner && outer.peerIndex === inner.index;
    if (!isPair || !pod || childOf(inner, [pod]) === undefined) {
      throw notPaired(spec.hostEnd, spec.interface, spec.netns);
    }
    follow(libc, file.fd); // an interrupted set-up may not have
    await repairInnerEnd(libc, there, { inner, spec });
    await repairHostEnd(libc, here, { host: outer, spec: { ...spec, alias: outer.alias } });
    const route = await routeFor(socket, spec, pod.index);
    await removeFormerRoute(socket, spec, pod.index);
    // Checksums are the inner end's matter: what a pod sets on its interface does not reach it.
    const parts = { ...spec, checksumOffload: true };
    await setPodEnd(libc, socket, { link: pod, spec: parts, replaceRoute: true, ...route });
  });
}

/** Removes the interface and waits until its inner end is free. */
export async function detachPod({ libc, holding }: WarmPlace, podEnd: WarmPodEnd): Promise<void> {
  using there = holding.openSocket();
  const inner = await innerEndOf(there, podEnd.hostEnd);
  try {
    await inSandbox(libc, podEnd, async ({ socket }) => {
      const link = childOf(inner, await linksOf(socket));
      if (link) await orAbsent(socket.requestBeside(deleteLink(link.name, link.index)));
    });
  } catch (error) {
    if (faultFrom(error).code !== "not_found") throw error;
  }
  await untilFree(there, podEnd.hostEnd);
}

async function untilFree(there: NetlinkSocket, name: string): Promise<void> {
  const endMs = performance.now() + FREE_LIMIT_MS;
  while (((await findLink(there, name))?.promiscuity ?? 0) > 0) {
    if (performance.now() >= endMs) {
      throw innerEndUnusable(name, "its pod has moved the interface to another namespace");
    }
    await new Promise((done) => setTimeout(done, FREE_EVERY_MS));
  }
}

async function innerEndOf(there: NetlinkSocket, name: string): Promise<KernelLink> {
  const inner = await findLink(there, name);
  if (!inner) throw innerEndUnusable(name, "its inner end is gone");
  return inner;
}

/** Returns the link among those of a sandbox that is on `inner`. */
function childOf(
  inner: Pick<KernelLink, "index">,
  links: readonly KernelLink[],
): KernelLink | undefined {
  return links.find(({ kind, peerIndex }) => kind === "macvlan" && peerIndex === inner.index);
}

async function repairInnerEnd(
  libc: Libc,
  there: NetlinkSocket,
  { inner, spec: { mtu, checksumOffload } }: {
    readonly inner: KernelLink;
    readonly spec: PairSpec;
  },
): Promise<void> {
  if (!checksumOffload) disableChecksumOffload(libc, there, inner.name);
  if (inner.isUp && inner.mtu === mtu) return;
  const attributes = [[IFLA.mtu, mtu]] as const;
  await there.request(setLink(`warm port ${inner.name}`, inner.index, { isUp: true, attributes }));
}

/** Makes this namespace notice changes in the pod's, as it does with a pair between the two. */
function follow(libc: Libc, netnsFd: number): void {
  using here = openHere(libc);
  // Not in one expression: the bundler (Deno 2.9.6) would inline the socket there, and nothing would close it.
  try {
    here.requestAtOnce(nameNamespace(netnsFd));
  } catch (error) {
    if (!isRefusal(error, "EEXIST")) throw error;
  }
}
