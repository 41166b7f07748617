// The text of /metrics: what was counted since the start, and the state of the moment. Everything that others wait for
// goes on meanwhile: the state is read from memory, in slices, and the switch is asked with a limit, and rarely.

import { documentsIn, groups } from "../../intent/indexed_documents.ts";
import { withDeadline } from "../../util/async/deadline.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { AgentMeter } from "./agent_meter.ts";
import type { WatchLag } from "./metered_store.ts";
import {
  attachmentFamilies,
  dropSamples,
  stateFamilies,
  type StateSources,
} from "./state_families.ts";
import { PoolCounter } from "./pool_counts.ts";
import { boundedSamples, Counter, exposition, type Family, familyOf, gaugeOf } from "./series.ts";

/** So long the switch may take to say what it has dropped. */
const SWITCH_LIMIT_MS = 2_000;
/** Its answer may be thousands of flows: it is asked no more often. */
const SWITCH_PAUSE_MS = 5_000;
/** Scrapes that come within that time of one another have one text. */
const SHARED_MS = 250;

/** What is known of the agent from its start on. */
export interface ScrapeFacts {
  readonly version: string;
  readonly host: string;
  readonly meter: AgentMeter;
  readonly lag: WatchLag;
  /** User and system time of this process in seconds. */
  readonly cpuSeconds: () => number;
  readonly log: Pick<Log, "debug">;
}

/** Makes the texts of scrapes. */
export class Scraper {
  readonly #facts: ScrapeFacts;
  readonly #pools = new PoolCounter();
  readonly #errors = new Counter("k8contivnet_scrape_errors_total", [["policy_drops"], ["pools"]]);
  readonly #startSeconds = (Date.now() - performance.now()) / 1_000;
  #sources: StateSources | undefined;
  #readyAfterMs: number | undefined;
  #shared: { readonly atMs: number; readonly text: Promise<string> } | undefined;
  #drops: { readonly atMs: number; readonly family: Family } | undefined;

  constructor(facts: ScrapeFacts) {
    this.#facts = facts;
  }

  /** The agent is composed: its state is part of scrapes from now on. */
  follow(sources: StateSources): void {
    this.#sources = sources;
  }

  /** The agent answers requests from now on. */
  noteReady(): void {
    this.#readyAfterMs = performance.now();
  }

  /** Returns the text of a scrape; those that come together have the same one. */
  text(): Promise<string> {
    const nowMs = performance.now();
    if (!this.#shared || nowMs - this.#shared.atMs > SHARED_MS) {
      this.#shared = { atMs: nowMs, text: this.#read() };
    }
    return this.#shared.text;
  }

  async #read(): Promise<string> {
    const { meter } = this.#facts;
    const state = this.#sources ? await this.#state(this.#sources) : [];
    return exposition([
      ...this.#ownFamilies(),
      ...meter.families(),
      ...state,
      this.#errors.family(),
    ]);
  }

  #ownFamilies(): Family[] {
    const { version, host, cpuSeconds } = this.#facts;
    const ready = this.#readyAfterMs;
    return [
      familyOf("k8contivnet_build_info", [{
        labels: [version, Deno.version.deno, host],
        value: 1,
      }]),
      gaugeOf("k8contivnet_agent_ready", ready !== undefined),
      gaugeOf("k8contivnet_agent_start_duration_seconds", ready && ready / 1_000),
      gaugeOf("process_cpu_seconds_total", cpuSeconds()),
      gaugeOf("process_resident_memory_bytes", Deno.memoryUsage().rss),
      gaugeOf("process_start_time_seconds", this.#startSeconds),
    ];
  }

  async #state(sources: StateSources): Promise<Family[]> {
    const { documents } = sources.store;
    const families = [
      ...stateFamilies(sources),
      ...attachmentFamilies(sources),
      gaugeOf("k8contivnet_store_watch_lag_seconds", this.#facts.lag.seconds),
      gaugeOf(
        "k8contivnet_store_unreadable_documents",
        documentsIn(documents, groups.unreadable).length,
      ),
    ];
    return [
      ...families,
      ...await this.#poolFamilies(sources),
      ...await this.#dropFamilies(sources),
    ];
  }

  async #poolFamilies({ store }: StateSources): Promise<Family[]> {
    try {
      const { sizes, used, held } = await this.#pools.count(store);
      return [
        familyOf("k8contivnet_ipam_pool_size", boundedSamples(sizes)),
        familyOf("k8contivnet_ipam_allocations_in_use", boundedSamples(used)),
        familyOf("k8contivnet_ipam_allocations_held", boundedSamples(held)),
      ];
    } catch (error) {
      this.#failed("pools", error);
      return [];
    }
  }

  /** What policies have dropped; the last answer while the switch is not asked, or does not answer. */
  async #dropFamilies({ policies }: StateSources): Promise<Family[]> {
    if (!policies.known) return [];
    const nowMs = performance.now();
    if (!this.#drops || nowMs - this.#drops.atMs > SWITCH_PAUSE_MS) {
      try {
        const drops = await withDeadline(nowMs + SWITCH_LIMIT_MS, tooSlow, policies.tables.drops());
        const samples = dropSamples(policies.known?.flows.policies ?? new Map(), drops);
        const family = familyOf(
          "k8contivnet_policy_dropped_packets_total",
          boundedSamples(samples),
        );
        this.#drops = { atMs: nowMs, family };
      } catch (error) {
        this.#failed("policy_drops", error);
      }
    }
    return this.#drops ? [this.#drops.family] : [];
  }

  #failed(part: string, error: unknown): void {
    this.#errors.add(part);
    this.#facts.log.debug(`metrics without ${part}: ${faultFrom(error).message}`);
  }
}

function tooSlow(limitMs: number): Fault {
  return new Fault("timeout", `Open vSwitch did not list the flows in ${Math.round(limitMs)} ms`);
}
