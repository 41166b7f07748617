// What a kubelet asks of a container runtime about sandboxes: the Container Runtime Interface, version 1
// (https://github.com/kubernetes/cri-api, api.proto), by hand-written messages over gRPC.

import { Buffer } from "node:buffer";
import { Client, credentials } from "@grpc/grpc-js";
import { encode, type Message, Received } from "./protobuf.ts";
import { patient } from "../../lab/limits.ts";

const SERVICE = "/runtime.v1.RuntimeService";

/** A pod as its kubelet describes it. */
export interface SandboxPod {
  readonly name: string;
  /** @default "default" */
  readonly namespace?: string;
  /** A random one by default. */
  readonly uid?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** How many sandboxes this pod had before. */
  readonly attempt?: number;
}

/** What the runtime reports of a sandbox. */
export interface SandboxStatus {
  readonly id: string;
  readonly isReady: boolean;
  /** All addresses, the pod's main one first. */
  readonly addresses: readonly string[];
  /** Path of its network namespace. */
  readonly netns: string;
  /** Process id of its pause process as the machine sees it. */
  readonly pid: number;
}

/** One of the runtime's conditions: RuntimeReady, NetworkReady. */
export interface Condition {
  readonly isTrue: boolean;
  readonly reason: string;
  readonly message: string;
}

/** A client of one runtime. */
export class Cri implements Disposable {
  readonly #client: Client;

  constructor(socket: string) {
    // A restarted runtime is there again within a second.
    const options = { "grpc.max_reconnect_backoff_ms": 500, "grpc.use_local_subchannel_pool": 1 };
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure(), options);
  }

  /** Returns name and version of the runtime. */
  async version(): Promise<string> {
    const answer = await this.#call("Version", { 1: "v1" });
    return `${answer.text(2)} ${answer.text(3)}`;
  }

  /** Returns the condition NetworkReady. */
  async networkReady(): Promise<Condition> {
    const conditions = (await this.#call("Status", {})).message(1).messages(1);
    const found = conditions.find((one) => one.text(1) === "NetworkReady");
    if (!found) throw new Error("the runtime reports no condition NetworkReady");
    return { isTrue: found.number(2) === 1, reason: found.text(3), message: found.text(4) };
  }

  /** Returns the names of the networks in force; none if no configuration is good. */
  async networks(): Promise<string[]> {
    const info = (await this.#call("Status", { 1: true })).messages(2);
    const text = info.find((entry) => entry.text(1) === "cniconfig")?.text(2) ?? "{}";
    const { Networks: networks } = JSON.parse(text) as CniStatus;
    return (networks ?? []).map(({ Config: config }) => config.Name)
      .filter((name) => name !== "cni-loopback");
  }

  /** Creates a sandbox and its network; returns its id. */
  async run(pod: SandboxPod): Promise<string> {
    const { name, namespace = "default", uid = crypto.randomUUID(), attempt = 0 } = pod;
    const labels = new Map([
      ["io.kubernetes.pod.name", name],
      ["io.kubernetes.pod.namespace", namespace],
      ["io.kubernetes.pod.uid", uid],
    ]);
    const answer = await this.#call("RunPodSandbox", {
      1: {
        1: { 1: name, 2: uid, 3: namespace, 4: attempt },
        2: name,
        3: `/var/log/pods/${uid}`,
        6: labels,
        7: new Map(Object.entries(pod.annotations ?? {})),
        8: { 1: "/pods" },
      },
    });
    return answer.text(1);
  }

  /** Ends a sandbox's processes and its network. Repeatable. */
  async stop(id: string): Promise<void> {
    await this.#call("StopPodSandbox", { 1: id });
  }

  /** Removes a sandbox; ends it before if it runs. */
  async remove(id: string): Promise<void> {
    await this.#call("RemovePodSandbox", { 1: id });
  }

  /** Returns what the runtime knows about a sandbox. */
  async status(id: string): Promise<SandboxStatus> {
    const answer = await this.#call("PodSandboxStatus", { 1: id, 2: true });
    const status = answer.message(1);
    const network = status.message(5);
    const info = answer.messages(2).find((entry) => entry.text(1) === "info")?.text(2) ?? "{}";
    const { pid = 0, runtimeSpec } = JSON.parse(info) as VerboseInfo;
    const namespaces = runtimeSpec?.linux?.namespaces ?? [];
    return {
      id,
      isReady: status.number(3) === 0,
      addresses: [network.text(1), ...network.messages(2).map((one) => one.text(1))]
        .filter((address) => address !== ""),
      netns: namespaces.find(({ type }) => type === "network")?.path ?? "",
      pid,
    };
  }

  /** Returns the ids of all sandboxes with `NAMESPACE/NAME` of their pods. */
  async list(): Promise<ReadonlyMap<string, string>> {
    const items = (await this.#call("ListPodSandbox", {})).messages(1);
    return new Map(items.map((item) => {
      const metadata = item.message(2);
      return [item.text(1), `${metadata.text(3)}/${metadata.text(1)}`];
    }));
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  #call(method: string, message: Message): Promise<Received> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest<Message, Received>(
        `${SERVICE}/${method}`,
        (value) => Buffer.from(encode(value)),
        (bytes) => new Received(bytes),
        message,
        { deadline: Date.now() + patient(60_000) },
        (error, answer) => error ? reject(error) : resolve(answer!),
      );
    });
  }
}

interface CniStatus {
  readonly Networks?: readonly { readonly Config: { readonly Name: string } }[] | null;
}

interface VerboseInfo {
  readonly pid?: number;
  readonly runtimeSpec?: {
    readonly linux?: {
      readonly namespaces?: readonly { readonly type: string; readonly path?: string }[];
    };
  };
}
