// What kubelets of three eras do to an exec network plugin, on a real Docker: the same calls, in the
// same order, with containers named and labelled as theirs. Seen of kubelets 0.15.0, 1.0.0 and
// 1.2.0-beta.1 with a plugin that logged its calls.

import type { Ended, LabAgent } from "./agent.ts";
import { type LabContainer, startContainer } from "./container.ts";
import type { Dockerd } from "./dockerd.ts";
import { randomHex } from "./pod.ts";

/** Kubelets that are played. 1.1 does as 1.0, and asks for the status more often. */
export const ERAS = ["0.15", "1.0", "1.2"] as const;
export type Era = typeof ERAS[number];

/** A pod on this host as its kubelet knows it. */
export interface KubeletPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly isHostNetwork: boolean;
  /** Its infra container of now. */
  infra: LabContainer;
  /** What the kubelet publishes: an address, `docker` for Docker's own; undefined before any status. */
  podIp: string | undefined;
  /** How its last set-up ended; undefined where this kubelet makes none. */
  setup: Ended | undefined;
}

/** How a pod is made. */
export interface PodOptions {
  /** As the API server has it; of a static pod the hash of its configuration. A random one by default. */
  readonly uid?: string;
  readonly namespace?: string;
  readonly isHostNetwork?: boolean;
  /** Flags of docker run for the infra container's network; Docker's default when absent. */
  readonly network?: string;
}

/** A kubelet of one era. */
export class Kubelet {
  readonly #era: Era;
  readonly #dockerd: Dockerd;
  readonly #agent: LabAgent;
  readonly #pods = new Set<KubeletPod>();
  /** Calls that ended otherwise than with 0, as `VERB CODE`. */
  readonly failures: string[] = [];

  constructor(era: Era, { dockerd, agent }: { dockerd: Dockerd; agent: LabAgent }) {
    this.#era = era;
    this.#dockerd = dockerd;
    this.#agent = agent;
  }

  /** Starts, or starts again: no set-up for pods that are there. */
  async start(): Promise<void> {
    await this.#call("init");
    if (this.#era === "0.15") return;
    for (const pod of this.#pods) await this.status(pod);
  }

  /** A pod is placed here: its infra container, its set-up, then its app container. */
  async addPod(name: string, options: PodOptions = {}): Promise<KubeletPod> {
    const { namespace = "default", isHostNetwork = false, uid = crypto.randomUUID() } = options;
    const infra = await this.#startInfra({ namespace, name, uid, isHostNetwork }, options);
    const pod = {
      ...{ namespace, name, uid, isHostNetwork, infra },
      podIp: undefined,
      setup: undefined,
    };
    this.#pods.add(pod);
    await this.#setUp(pod);
    await this.#startApp(pod);
    return pod;
  }

  /** The infra container ended by itself: a new one is set up, the old one never torn down. */
  async replaceInfra(pod: KubeletPod, { isOldRunning = false } = {}): Promise<LabContainer> {
    const old = pod.infra;
    if (!isOldRunning) await this.#dockerd.docker("kill", old.id);
    pod.infra = await this.#startInfra(pod);
    await this.#setUp(pod);
    return old;
  }

  /** What 1.2 does a second after a failed set-up, and older ones never: a new infra container. */
  async retry(pod: KubeletPod): Promise<void> {
    if (this.#era !== "1.2") return;
    await this.replaceInfra(pod);
  }

  /** The pod is deleted: teardown while the infra container runs, then its end. */
  async deletePod(pod: KubeletPod): Promise<void> {
    const hasTeardown = this.#era !== "1.2" || !pod.isHostNetwork;
    if (hasTeardown) await this.#alongStatus(pod, () => this.#podCall("teardown", pod));
    await this.#dockerd.docker("kill", pod.infra.id);
    // Once more for the same id, whose container has no process any more.
    if (this.#era === "1.2" && hasTeardown) await this.#podCall("teardown", pod);
    this.#pods.delete(pod);
  }

  /** Deletes pods as this era does: one by one, or side by side. */
  async deletePods(pods: readonly KubeletPod[]): Promise<void> {
    if (this.#era !== "0.15") return void await Promise.all(pods.map((pod) => this.deletePod(pod)));
    for (const pod of pods) await this.deletePod(pod);
  }

  /** Tears an id down that no set-up was ever called for. */
  async tearDownUnknown(): Promise<Ended> {
    return await this.#call("teardown", "default", "nobody", randomHex(64));
  }

  /** Asks for a pod's address and publishes it, as eras with a status do. */
  async status(pod: KubeletPod, { isSwapped = false } = {}): Promise<void> {
    const { namespace, name, infra } = pod;
    const [first, second] = isSwapped ? [name, namespace] : [namespace, name];
    pod.podIp = podIpFrom(await this.#call("status", first, second, infra.id));
  }

  async #setUp(pod: KubeletPod): Promise<void> {
    if (this.#era === "1.2" && pod.isHostNetwork) return await this.status(pod);
    if (this.#era === "1.2") await this.status(pod); // before any set-up
    await this.#alongStatus(pod, async () => pod.setup = await this.#podCall("setup", pod));
    if (this.#era === "0.15" || pod.setup?.code !== 0) return;
    await this.status(pod);
    if (this.#era !== "1.2") return;
    await this.status(pod, { isSwapped: true });
    await this.status(pod);
  }

  /** From 1.2 on, the address is asked for while set-up and teardown are under way. */
  async #alongStatus(pod: KubeletPod, work: () => Promise<unknown>): Promise<void> {
    const asking = this.#era === "1.2" ? this.status(pod) : Promise.resolve();
    await Promise.all([work(), asking]);
  }

  #podCall(verb: string, { namespace, name, infra }: KubeletPod): Promise<Ended> {
    return this.#call(verb, namespace, name, infra.id);
  }

  async #call(verb: string, ...words: string[]): Promise<Ended> {
    const ended = await this.#agent.call(verb, ...words);
    if (ended.code !== 0) this.failures.push(`${verb} ${ended.code}`);
    return ended;
  }

  #startInfra(
    pod: Pick<KubeletPod, "namespace" | "name" | "uid" | "isHostNetwork">,
    { network = "default" }: PodOptions = {},
  ): Promise<LabContainer> {
    const net = pod.isHostNetwork ? "--net=host" : `--net=${network}`;
    return startContainer(
      this.#dockerd,
      this.#nameOf("POD", pod),
      ...this.#labels("POD", pod),
      net,
    );
  }

  async #startApp(pod: KubeletPod): Promise<void> {
    const net = `--net=container:${pod.infra.id}`;
    await startContainer(
      this.#dockerd,
      this.#nameOf("main", pod),
      ...this.#labels("main", pod),
      net,
    );
  }

  #nameOf(
    container: string,
    { name, namespace, uid }: Pick<KubeletPod, "namespace" | "name" | "uid">,
  ) {
    return `k8s_${container}.${randomHex(8)}_${name}_${namespace}_${uid}_${randomHex(8)}`;
  }

  #labels(
    container: string,
    { name, namespace, uid }: Pick<KubeletPod, "namespace" | "name" | "uid">,
  ) {
    const labels = {
      "0.15": {},
      "1.0": { "io.kubernetes.pod.name": `${namespace}/${name}` },
      "1.2": {
        "io.kubernetes.pod.name": name,
        "io.kubernetes.pod.namespace": namespace,
        "io.kubernetes.pod.uid": uid,
        "io.kubernetes.container.name": container,
      },
    }[this.#era];
    return Object.entries(labels).map(([key, value]) => `--label=${key}=${value}`);
  }
}

/**
 * Returns what a kubelet publishes after a status call, which reads standard output and error as one:
 * `docker` where it falls back to Docker's own address. Throws where it would log an error.
 */
export function podIpFrom({ code, out, err }: Ended): string {
  const text = out + err;
  if (code === 0 && text === "") return "docker";
  const { ip, apiVersion, kind } = JSON.parse(text);
  const isRight = code === 0 && apiVersion === "v1beta1" && kind === "PodNetworkStatus" &&
    /^[\d.]+$/.test(ip);
  if (!isRight) throw new Error(`no kubelet reads a status of ${code}: ${text}`);
  return ip;
}
