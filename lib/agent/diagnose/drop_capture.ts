// Captures the packets that policies drop on this host, for as long as somebody asks for them: the flows that drop
// report whole packets then, within the limit of the meter, and a moment after the last question they only drop again.
// If the agent is killed meanwhile, the next one installs its flows without reports.

import type { PacketIn } from "../../ovs/openflow/packet_in.ts";
import { Notifier } from "../../util/async/notifier.ts";
import { Fault } from "../../util/errors.ts";
import type { CapturedDrop, DropsAnswer, DropsRequest } from "../api/diagnosis_requests.ts";
import { describeDrop, type DropDescription, dropOf, keyOf } from "../policy/drop_message.ts";
import type { PolicyEnforcer } from "../policy/policy_enforcer.ts";

/** What captures work with. */
export interface DropCaptureDeps {
  readonly policies: Pick<PolicyEnforcer, "known" | "captureDrops">;
  /** Reports dropped packets until it is disposed. */
  readonly watchDrops: (take: (packet: PacketIn) => void) => Disposable;
  /** Milliseconds of the epoch. */
  readonly wallMs: () => number;
}

const LEASE_MS = 5_000;
const WAIT_MS = 1_000;
/** Packets, and bytes of them, that wait for those who ask. */
const [MOST_PACKETS, MOST_BYTES] = [1_000, 4 * 1024 * 1024];

interface Kept {
  readonly n: number;
  readonly drop: CapturedDrop;
  readonly bytes: number;
}

/** The captures of this host: any number of commands read the same packets, each from where it was. */
export class DropCapture {
  readonly #deps: DropCaptureDeps;
  readonly #news = new Set<Notifier>();
  readonly #described = new Map<string, DropDescription>();
  #kept: Kept[] = [];
  #bytes = 0;
  #last = 0;
  #watch: Disposable | undefined;
  #lease: ReturnType<typeof setTimeout> | undefined;

  constructor(deps: DropCaptureDeps) {
    this.#deps = deps;
  }

  /**
   * Returns the packets after number `after`, those of one pod where it is given; waits for a second if there are none.
   * The first question starts the capture. Faults: unavailable, where the switch cannot report packets.
   */
  async read({ after, pod }: DropsRequest): Promise<DropsAnswer> {
    const startedAt = this.#last;
    await this.#start();
    const from = after === undefined || after > this.#last ? startedAt : after;
    if (this.#after(from).length === 0) await this.#wait();
    const fresh = this.#after(from);
    const first = fresh[0]?.n ?? this.#last + 1;
    const name = pod && `${pod.namespace}/${pod.name}`;
    return {
      next: this.#last,
      missed: first - from - 1,
      hasPolicies: this.#deps.policies.known !== undefined,
      drops: fresh.map(({ drop }) => drop)
        .filter(({ from, to }) => name === undefined || from === name || to === name),
    };
  }

  async #start(): Promise<void> {
    this.#watch ??= this.#deps.watchDrops((packet) => this.#take(packet));
    clearTimeout(this.#lease);
    this.#lease = setTimeout(() => this.#end(), LEASE_MS);
    Deno.unrefTimer(this.#lease);
    const problem = await this.#deps.policies.captureDrops(true);
    if (problem === undefined) return;
    this.#end();
    throw new Fault("unavailable", "drops cannot be captured", {
      why: problem,
      fix: "see k8contivnet trace, and k8contivnet get policies, which counts drops",
    });
  }

  #end(): void {
    clearTimeout(this.#lease);
    this.#watch?.[Symbol.dispose]();
    [this.#watch, this.#kept, this.#bytes] = [undefined, [], 0];
    this.#described.clear();
    // What fails is tried again by the enforcer's loop.
    void this.#deps.policies.captureDrops(false);
  }

  #after(n: number): readonly Kept[] {
    return this.#kept.filter((one) => one.n > n);
  }

  async #wait(): Promise<void> {
    const news = new Notifier();
    this.#news.add(news);
    await news.wait({ withinMs: WAIT_MS, signal: new AbortController().signal });
    this.#news.delete(news);
  }

  #take(packet: PacketIn): void {
    const drop = dropOf(packet);
    const key = keyOf(drop);
    // Rules may change meanwhile: a description is kept as long as the packets are.
    const description = this.#described.get(key) ?? describeDrop(this.#deps.policies.known, drop);
    this.#described.set(key, description);
    const at = new Date(this.#deps.wallMs()).toISOString();
    const kept = {
      n: ++this.#last,
      drop: { at, ...description, packet: packet.data.toBase64() },
      bytes: packet.data.length,
    };
    this.#kept.push(kept);
    this.#bytes += kept.bytes;
    while (this.#kept.length > MOST_PACKETS || this.#bytes > MOST_BYTES) {
      this.#bytes -= this.#kept.shift()?.bytes ?? 0;
    }
    if (this.#described.size > MOST_PACKETS) this.#described.clear();
    for (const one of this.#news) one.notify();
  }
}
