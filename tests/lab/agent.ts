// The built file at work in a lab: an agent process and calls of the other faces, as a host has them.

import type { HealthAnswer, KubeHealth } from "../../lib/agent/api/agent_health.ts";
import type { AttachmentItem } from "../../lib/agent/api/listed_items.ts";
import { askAgent } from "../../lib/agent/client.ts";
import { Fault } from "../../lib/util/errors.ts";
import type { Ovs } from "./ovs.ts";
import type { Pod } from "./pod.ts";
import { run } from "./run.ts";
import { onlyChild } from "./server.ts";
import { waitFor } from "./wait.ts";
import { hangSignal } from "./limits.ts";

// As on a real host, /sys has the links of this network namespace. Other mounts stay visible to the lab.
const WITH_ITS_LINKS = [
  ...["unshare", "--mount", "--propagation", "unchanged"],
  ...["sh", "-c", 'mount -t sysfs sysfs /sys && exec "$@"', "agent"],
];

/** How agents get ports for pods when no flag says it, as K8CONTIVNET_TEST_PORTS says: the product's default if unset. */
const PORTS = Deno.env.get("K8CONTIVNET_TEST_PORTS") ?? "";

/** How one call ended. */
export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** What an agent of the lab is started with. */
export interface LabAgentOptions {
  /** The executable: dist/k8contivnet. */
  readonly file: string;
  /** Folder of its socket, state and log. */
  readonly dir: string;
  readonly ovs: Ovs;
  readonly hostLabel?: string;
  /** Named network namespace that is its host; the caller's own when absent. */
  readonly netns?: string;
  readonly flags?: readonly string[];
}

/** One agent, restartable, with the calls that go to it. */
export class LabAgent implements AsyncDisposable {
  readonly socket: string;
  readonly stateDir: string;
  readonly logFile: string;
  /** More environment for every call. */
  readonly env: Record<string, string> = {};
  /** More environment for the agent itself, from its next start on. */
  readonly agentEnv: Record<string, string> = {};
  /** Words before the agent's own, from its next start on: `prlimit`, `nsenter` and their like. */
  agentPrefix: readonly string[] = [];
  /** Words that start it as their only child, as nsenter does in a process namespace. */
  agentParent: readonly string[] = [];
  readonly #options: LabAgentOptions;
  #process: Deno.ChildProcess | undefined;

  constructor(options: LabAgentOptions) {
    this.#options = options;
    this.socket = `${options.dir}/agent.sock`;
    this.stateDir = `${options.dir}/state`;
    this.logFile = `${options.dir}/agent.log`;
  }

  get pid(): number {
    if (!this.#process) throw new Error("the agent is not running");
    return this.#pidOf(this.#process);
  }

  /** Starts the agent and waits until it answers; `flags` are added to those of the options. */
  async start(...flags: string[]): Promise<void> {
    this.spawn(...flags);
    await waitFor("the agent to answer", async () => {
      if (this.#process === undefined) throw new Error(`agent ended:\n${await this.logText()}`);
      return await this.ask("tenants").then(() => true, () => false);
    }, { limitMs: 20_000 });
  }

  /** Starts the agent's process and does not wait. */
  spawn(...flags: string[]): void {
    const { file, dir, ovs, hostLabel = "host1", netns } = this.#options;
    Deno.mkdirSync(dir, { recursive: true });
    // Each command becomes what it starts: the child's pid is the agent's.
    const place = netns === undefined
      ? []
      : ["nsenter", `--net=/run/netns/${netns}`, "--", ...WITH_ITS_LINKS];
    // The log is written by the agent itself: what it said is there when it has answered.
    const child = new Deno.Command("sh", {
      args: [
        ...["-c", 'log=$1; shift; exec "$@" 2>>"$log"', "agent", this.logFile],
        ...[...place, ...this.agentParent, ...this.agentPrefix, file, "netplugin"],
        ...["--host-label", hostLabel, "--socket", this.socket, "--state-dir", this.stateDir],
        ...["--ovsdb", ovs.db, "--ovs-rundir", ovs.rundir, "--docker", "none"],
        ...this.#options.flags ?? [],
        ...flags,
      ],
      env: { ...PORTS === "" ? {} : { K8CONTIVNET_PORTS: PORTS }, ...this.agentEnv },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#process = child;
    child.status.then(() => {
      if (this.#process === child) this.#process = undefined;
    });
  }

  #pidOf({ pid }: Deno.ChildProcess): number {
    return this.agentParent.length === 0 ? pid : onlyChild(pid) ?? pid;
  }

  /** Waits for the process to end by itself; returns its exit code. */
  async stopped(): Promise<number> {
    return (await this.#process?.status)?.code ?? 0;
  }

  /** Stops it as a supervisor does; returns its exit code. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    const child = this.#process;
    if (!child) return 0;
    const pid = this.#pidOf(child);
    Deno.kill(pid, signal);
    if (signal !== "SIGKILL") continueProcess(pid); // a test that failed may have left it stopped
    return (await child.status).code;
  }

  /** Calls the file with words, as a person or a kubelet does. */
  call(...words: string[]): Promise<Ended> {
    return this.callWith({}, ...words);
  }

  /** Calls the file with more environment. */
  async callWith(env: Record<string, string>, ...words: string[]): Promise<Ended> {
    const { code, stdout, stderr } = await new Deno.Command(this.#options.file, {
      args: words,
      env: {
        K8CONTIVNET_SOCKET: this.socket,
        ...this.env,
        ...env,
      },
      stdin: "null",
      signal: hangSignal(90_000),
    }).output();
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout), err: decoder.decode(stderr).trim() };
  }

  /** Calls a kubelet's verb for a pod. */
  verb(verb: "setup" | "teardown" | "status", pod: Pod): Promise<Ended> {
    return this.call(verb, pod.namespace, pod.name, pod.id);
  }

  /**
   * Asks the agent for `/v1/KIND` by its socket. A process for each question is a fifth of a second of
   * a processor: for tests that ask often and are not about the command.
   */
  ask<T>(kind: string): Promise<T> {
    return askAgent<T>({ socket: this.socket, method: "GET", path: `/v1/${kind}` });
  }

  /** Sets a pod up as a kubelet does; throws with the answer when that fails. */
  async setupByFile(pod: Pod): Promise<void> {
    const { code, err } = await this.verb("setup", pod);
    if (code !== 0) throw new Error(`setup of ${pod.name} ended with ${code}: ${err}`);
  }

  /** Sets a pod up by the agent's socket, once: what a resident caller does. */
  async setupOnce({ namespace, name, id: sandbox }: Pod): Promise<void> {
    const body = { namespace, name, sandbox };
    await askAgent({ socket: this.socket, path: "/v1/setup", body });
  }

  /** The same, and by the file, with its patience, where the file would be patient, too. */
  async setup(pod: Pod): Promise<void> {
    await this.setupOnce(pod).catch((error) => {
      if (!(error instanceof Fault && error.code === "unavailable")) throw error;
      return this.setupByFile(pod);
    });
  }

  attachments(): Promise<AttachmentItem[]> {
    return this.ask("attachments");
  }

  /** Returns how well the agent knows the cluster. */
  async kubeHealth(): Promise<KubeHealth> {
    const { kube } = await this.ask<HealthAnswer>("health");
    if (!kube) throw new Error("the agent has no cluster");
    return kube;
  }

  /** Returns the first address of a pod without its prefix length. */
  async addressOf(pod: Pod): Promise<string> {
    const item = (await this.attachments()).find((one) => one.sandbox === pod.id);
    const [cidr] = item?.addresses ?? [];
    if (!cidr) throw new Error(`pod ${pod.name} has no address`);
    return cidr.split("/")[0] ?? cidr;
  }

  async logText(): Promise<string> {
    return await Deno.readTextFile(this.logFile).catch(() => "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    // The links of warm ports would go on in there.
    const holding = `k8contivnet-${this.#options.hostLabel ?? "host1"}`;
    const isThere = await Deno.stat(`/run/netns/${holding}`).then(() => true, () => false);
    if (isThere) await run("ip", ["netns", "delete", holding]);
  }
}

function continueProcess(pid: number): void {
  try {
    Deno.kill(pid, "SIGCONT");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // it has ended
  }
}
