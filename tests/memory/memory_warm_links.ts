// The links of warm ports in memory: what they promise is what lib/net/warm_links.ts says.

import type { PairSpec } from "../../lib/net/links.ts";
import { checkLinkName, checkMtu, parseAlias, parsePair } from "../../lib/net/pair_spec.ts";
import {
  checkIdentity,
  hostEndTaken,
  innerEndUnusable,
  interfaceTaken,
  notPaired,
  routeTaken,
} from "../../lib/net/sandbox_checks.ts";
import type { InnerEnd, WarmLinks, WarmPairSpec, WarmPodEnd } from "../../lib/net/warm_links.ts";
import { faultFrom } from "../../lib/util/errors.ts";
import { CallRecorder } from "./call_recorder.ts";
import type { MemoryKernel, MemoryNamespace } from "./memory_kernel.ts";

const DEV = 4;

/** Warm ports' links in a MemoryKernel. */
export class MemoryWarmLinks implements WarmLinks {
  /** The calls so far; also where a test injects faults. */
  readonly recorder = new CallRecorder<WarmLinks>();
  readonly #kernel: MemoryKernel;
  readonly #aliasPrefix: string;
  readonly #netns: string;

  /** The holding namespace of `kernel` has the name `holding`. */
  constructor(kernel: MemoryKernel, aliasPrefix: string, holding = "hold") {
    this.#kernel = kernel;
    this.#aliasPrefix = aliasPrefix;
    this.#netns = `/run/netns/${holding}`;
  }

  /** What isSupported() returns. */
  hasMacvlan = true;

  isSupported(): Promise<boolean> {
    return this.recorder.run("isSupported", [], () => this.hasMacvlan);
  }

  createPairs(names: readonly string[], spec: WarmPairSpec): Promise<void> {
    return this.recorder.run("createPairs", [names, spec], () => {
      const holding = this.#holding();
      names.forEach((name) => checkLinkName("warm port", name));
      checkMtu(spec.mtu);
      const taken = names.find((name) => this.#kernel.host.links.has(name));
      if (taken !== undefined) throw hostEndTaken(taken);
      const [alias, mtu] = [parseAlias(spec.alias, this.#aliasPrefix), spec.mtu];
      for (const name of names) {
        this.#kernel.addPair({ name, mtu, alias, isUp: true }, holding, { name, mtu, isUp: true });
      }
    });
  }

  innerEnds(): Promise<InnerEnd[]> {
    return this.recorder.run("innerEnds", [], () => {
      return [...this.#holding().links.values()].map((link) => ({
        name: link.name,
        mtu: link.mtu,
        isOccupied: link.child?.isUp === true,
      }));
    });
  }

  attachPod(given: PairSpec): Promise<void> {
    return this.recorder.run("attachPod", [given], () => {
      const spec = this.#parse(given);
      const { hostEnd, netns, netnsInode, interface: name, mtu, gateway } = spec;
      const inner = this.#holding().links.get(hostEnd);
      if (!inner) throw innerEndUnusable(hostEnd, "its inner end is gone");
      const inside = this.#sandboxAt(netns, netnsInode);
      const present = inside.links.get(name);
      if (present && inner.child === present) return this.#configure(spec);
      if (present) throw interfaceTaken(name, netns);
      if (inner.child) throw innerEndUnusable(hostEnd, "it is occupied");
      if (gateway !== undefined && inside.defaultRoute) throw routeTaken(gateway, netns);
      this.#kernel.addChild(inner, inside, { name, mtu });
      this.#configure(spec);
    });
  }

  ensurePodSide(given: PairSpec): Promise<void> {
    return this.recorder.run("ensurePodSide", [given], () => this.#configure(this.#parse(given)));
  }

  detachPod({ hostEnd, netns, netnsInode }: WarmPodEnd): Promise<void> {
    return this.recorder.run("detachPod", [hostEnd, netns, netnsInode], () => {
      const inner = this.#holding().links.get(hostEnd);
      if (!inner) throw innerEndUnusable(hostEnd, "its inner end is gone");
      const { child } = inner;
      if (!child) return;
      if (this.#tryFind(netns, netnsInode) === child.namespace) this.#kernel.deleteLink(child);
      else if (child.isUp) throw innerEndUnusable(hostEnd, "its pod has moved the interface");
    });
  }

  close(): void {}

  #configure(spec: PairSpec): void {
    const inside = this.#sandboxAt(spec.netns, spec.netnsInode);
    const [outer, pod] = [
      this.#kernel.host.links.get(spec.hostEnd),
      inside.links.get(spec.interface),
    ];
    const inner = outer?.peer;
    if (!outer || !inner || !pod || inner.child !== pod) {
      throw notPaired(spec.hostEnd, spec.interface, spec.netns);
    }
    const { gateway } = spec;
    const route = inside.defaultRoute;
    if (gateway !== undefined && route && route.link !== pod) {
      throw routeTaken(gateway, spec.netns);
    }
    for (const end of [outer, inner]) Object.assign(end, { mtu: spec.mtu, isUp: true });
    Object.assign(pod, { mac: spec.mac, mtu: spec.mtu, isUp: true });
    pod.addresses.push(...spec.addresses.filter((one) => !pod.addresses.includes(one)));
    if (gateway !== undefined) inside.defaultRoute = { gateway, link: pod };
    else if (spec.formerGateway !== undefined && route?.gateway === spec.formerGateway) {
      inside.defaultRoute = undefined;
    }
  }

  #parse(spec: PairSpec): PairSpec {
    return parsePair(spec, this.#aliasPrefix);
  }

  #holding(): MemoryNamespace {
    if (!this.#kernel.namespaceAt(this.#netns)) this.#kernel.addNamespace(this.#netns);
    return this.#sandboxAt(this.#netns, undefined);
  }

  #tryFind(netns: string, inode: number): MemoryNamespace | undefined {
    try {
      return this.#sandboxAt(netns, inode);
    } catch (error) {
      if (faultFrom(error).code !== "not_found") throw error;
      return undefined;
    }
  }

  #sandboxAt(netns: string, inode: number | undefined): MemoryNamespace {
    const namespace = this.#kernel.namespaceAt(netns);
    const found = namespace && { dev: DEV, inode: namespace.inode };
    checkIdentity(netns, { found, own: { dev: DEV, inode: this.#kernel.host.inode }, inode });
    return namespace!;
  }
}
