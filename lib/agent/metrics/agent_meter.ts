// What happens in the agent, counted and measured for Prometheus.

import type { CniAnswer, SetupOutcome } from "../api/pod_requests.ts";
import type { Meter, Operation } from "../meter.ts";
import { repairKindOf, REPAIRS } from "./repair_kinds.ts";
import { Counter, type Family, Histogram, type LabelValues } from "./series.ts";

/** Commands of CNI that have a series of their own. */
const CNI_COMMANDS = ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"];

const RESULTS = { ready: "ready", unmatched: "unmatched", "host-network": "host_network" } as const;

/** Histograms and counters since the agent's start. */
export class AgentMeter implements Meter {
  readonly storeRequests = new Histogram("k8contivnet_store_request_duration_seconds");
  readonly watchDelays = new Histogram("k8contivnet_store_watch_delay_seconds");
  readonly #whole = {
    attach: new Histogram("k8contivnet_attach_duration_seconds", [["ready"], ["failed"]]),
    detach: new Histogram("k8contivnet_detach_duration_seconds", [["ok"], ["failed"]]),
  };
  readonly #phases = {
    attach: new Histogram("k8contivnet_attach_phase_duration_seconds"),
    detach: new Histogram("k8contivnet_detach_phase_duration_seconds"),
  };
  readonly #cniCalls = new Histogram("k8contivnet_cni_call_duration_seconds");
  readonly #reconciliations = new Histogram("k8contivnet_reconcile_duration_seconds");
  readonly #repairs = new Counter("k8contivnet_repairs_total", REPAIRS.map((kind) => [kind]));
  readonly #events = new Counter("k8contivnet_events_total");
  readonly #resyncs = new Counter("k8contivnet_store_watch_resyncs_total", [[]]);
  readonly #now: () => number;

  /** `now` returns monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  operation<T>(name: Operation, work: () => Promise<T>): Promise<T> {
    return this.#measure(this.#whole[name], [], work, () => "ok");
  }

  attach<T extends { readonly outcome: SetupOutcome }>(work: () => Promise<T>): Promise<T> {
    return this.#measure(this.#whole.attach, [], work, ({ outcome }) => RESULTS[outcome]);
  }

  phase<T>(operation: Operation, phase: string, work: () => Promise<T>): Promise<T> {
    return this.#measure(this.#phases[operation], [phase], work, () => "ok");
  }

  reconciliation<T>(work: () => Promise<T>): Promise<T> {
    return this.#measure(this.#reconciliations, [], work, () => "ok");
  }

  /** Answers a CNI call. A deletion is a detach, too. */
  cniCall(given: string, work: () => Promise<CniAnswer>): Promise<CniAnswer> {
    const command = CNI_COMMANDS.includes(given) ? given : "other";
    const resultOf = ({ exit }: CniAnswer) => exit === 0 ? "ok" : "failed";
    const call = command === "DEL"
      ? () => this.#measure(this.#whole.detach, [], work, resultOf)
      : work;
    return this.#measure(this.#cniCalls, [command], call, resultOf);
  }

  /** Counts an event of the event log, and what it says was repaired. */
  event(kind: string, message: string): void {
    this.#events.add(kind);
    if (kind === "repair") this.#repairs.add(repairKindOf(message));
    if (message.startsWith("store watch is behind")) this.#resyncs.add();
  }

  /** Returns the families in their state of now. */
  families(): Family[] {
    return [
      ...[this.#whole.attach, this.#phases.attach, this.#whole.detach, this.#phases.detach],
      ...[this.#cniCalls, this.#reconciliations, this.#repairs, this.#events],
      ...[this.storeRequests, this.watchDelays, this.#resyncs],
    ].map((one) => one.family());
  }

  /** Records how long `work` takes; the last label is its result, `failed` if it throws. */
  async #measure<T>(
    histogram: Histogram,
    labels: LabelValues,
    work: () => Promise<T>,
    resultOf: (value: T) => string,
  ): Promise<T> {
    const startMs = this.#now();
    let result = "failed";
    try {
      const value = await work();
      result = resultOf(value);
      return value;
    } finally {
      histogram.observe((this.#now() - startMs) / 1_000, ...labels, result);
    }
  }
}
