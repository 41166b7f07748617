// Plays a scenario on a cluster, step by step, and says at which step the world is not as wanted.

import type { AttachmentItem } from "../../../lib/agent/api/listed_items.ts";
import type { Cluster } from "../cluster.ts";
import type { ClusterHost } from "../cluster/host.ts";
import type { Pod } from "../pod.ts";
import { waitFor } from "../wait.ts";
import { misses, reaches } from "./ping.ts";
import { containerOf, type Scenario, type Step } from "./scenario.ts";

/** Plays the steps of `scenario` on `cluster`, which has its intent; throws at the first that fails. */
export async function play({ steps }: Scenario, cluster: Cluster): Promise<void> {
  const stage = new Stage(cluster);
  for (const [at, step] of steps.entries()) {
    try {
      await stage.does(step);
    } catch (cause) {
      const words = Object.values(step).filter((one) => typeof one !== "object").join(" ");
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`step ${at + 1}, ${words}: ${why}`, { cause });
    }
  }
}

interface Placed {
  readonly pod: Pod;
  readonly host: ClusterHost;
}

/** Where an endpoint is attached. */
interface Seat {
  readonly address: string;
  /** Undefined while nothing of this address is attached. */
  readonly item: AttachmentItem | undefined;
}

/** The pods of a scenario and what is asked of them. */
class Stage {
  readonly #cluster: Cluster;
  readonly #placedByName = new Map<string, Placed>();
  /** Addresses as last seen: a scenario pings those of deleted endpoints, too. */
  readonly #addressByEndpoint = new Map<string, string>();
  /** Sandboxes that had an endpoint, as last seen. */
  readonly #sandboxByEndpoint = new Map<string, string>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  async does(step: Step): Promise<void> {
    switch (step.do) {
      case "serve":
        return await this.#run(step.pod, step.host);
      case "client":
        await this.#run(step.pod, step.host);
        return await this.#ping(step);
      case "ping":
        return await this.#ping(step);
      case "refused":
        return await this.#refused(step.pod, step.host);
      case "start":
        return void await this.#start(step.pod, step.host);
      case "setup": {
        const { host, pod } = this.#placed(step.pod);
        return await host.agent.setupByFile(pod);
      }
      case "attached":
        return await this.#attached(step.pod, step.endpoint);
      case "detached":
        return await waitFor(`${step.endpoint} to be detached`, async () => {
          return (await this.#seat(step.endpoint)).item === undefined;
        }).then(() => {});
      case "post":
        return await this.#cluster.apply(step.document, step.flag);
      case "bind":
        return await this.#bind(step.bindings, step.containers);
      case "gone":
        return await this.#gone(step.construct, step.id);
    }
  }

  /** Kills the container of that name, if one runs, as a kubelet does; then starts one. */
  async #run(name: string, number: number): Promise<void> {
    const old = this.#placedByName.get(name);
    if (old) {
      const { code, err } = await old.host.agent.verb("teardown", old.pod);
      if (code !== 0) throw new Error(`teardown ended with ${code}: ${err}`);
      await old.pod[Symbol.asyncDispose]();
    }
    const { pod, host } = await this.#start(name, number);
    await host.agent.setupByFile(pod);
  }

  async #start(name: string, number: number): Promise<Placed> {
    const host = this.#cluster.host(number);
    const placed = { pod: await host.pod(containerOf(name)), host };
    this.#placedByName.set(name, placed);
    return placed;
  }

  async #refused(name: string, number: number): Promise<void> {
    const { pod, host } = await this.#start(name, number);
    const { code, err } = await host.agent.verb("setup", pod);
    if (code !== 4) throw new Error(`set-up ended with ${code}, not 4: ${err}`);
    const items = await host.agent.attachments();
    if (items.some(({ sandbox }) => sandbox === pod.id)) throw new Error("it is attached");
  }

  async #attached(name: string, endpoint: string): Promise<void> {
    const { pod } = this.#placed(name);
    const item = await waitFor(`${name} to be attached to ${endpoint}`, async () => {
      const { item } = await this.#seat(endpoint);
      return item?.state === "ready" ? item : undefined;
    });
    if (item.sandbox !== pod.id) throw new Error(`it is attached to ${item.sandbox}`);
  }

  async #bind(text: string, containers: Readonly<Record<string, string>>): Promise<void> {
    const entries = JSON.parse(text) as { Container: string; AttachUUID?: string }[];
    for (const entry of entries) {
      const name = containers[entry.Container];
      if (name !== undefined) entry.AttachUUID = this.#placed(name).pod.id;
    }
    await this.#cluster.apply(entries, "-host-bindings-cfg");
  }

  async #gone(construct: string, id: string): Promise<void> {
    const { code } = await this.#get(construct, id);
    if (code !== 3) throw new Error(`netdcli ended with ${code}, not 3`);
  }

  async #ping(step: Step & { readonly do: "ping" | "client" }): Promise<void> {
    const from = this.#placed(step.pod).pod;
    const { address, item } = await this.#seat(step.endpoint);
    if (step.want === "ok") {
      if (!item) throw new Error(`no pod is attached at ${address}`);
      return await reaches(from, address, this.#podOf(item.sandbox));
    }
    const target = item?.sandbox ?? this.#sandboxByEndpoint.get(step.endpoint);
    if (!target) throw new Error(`no pod ever had ${address}`);
    await misses(from, address, this.#podOf(target), async () => {
      return (await this.#seat(step.endpoint)).item !== undefined;
    });
  }

  /** Returns where `endpoint` is, its address as the original's tests read it: by netdcli. */
  async #seat(endpoint: string): Promise<Seat> {
    const id = endpoint.replace(/-(c\d+)$/, (_, pod) => `-${containerOf(pod)}`);
    const { code, out } = await this.#get("endpoint", id);
    const answer = code === 0 ? JSON.parse(out) : undefined;
    if (answer) this.#addressByEndpoint.set(endpoint, answer.IpAddress);
    const address = this.#addressByEndpoint.get(endpoint);
    if (!address) throw new Error(`netdcli does not know ${id}`);
    const items = await Promise.all(this.#cluster.hosts.map(({ agent }) => agent.attachments()));
    const item = items.flat().find((one) => `${one.network}-${one.endpoint}` === id);
    if (item) this.#sandboxByEndpoint.set(endpoint, item.sandbox);
    return { address, item };
  }

  #get(construct: string, id: string) {
    const { agent } = this.#cluster.host(1);
    return agent.call("netdcli", "-oper", "get", "-construct", construct, id);
  }

  #placed(name: string): Placed {
    const placed = this.#placedByName.get(name);
    if (!placed) throw new Error(`no container ${name} runs`);
    return placed;
  }

  #podOf(sandbox: string): Pod {
    const placed = [...this.#placedByName.values()].find(({ pod }) => pod.id === sandbox);
    if (!placed) throw new Error(`no pod of this scenario is ${sandbox}`);
    return placed.pod;
  }
}
