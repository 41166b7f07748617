// Serves metrics and probes at the addresses of --listen. An address that cannot be used is tried again and again: no
// pod has to wait for it. Loaded only with --listen.

import process from "node:process";
import { systemWords } from "../../util/errors.ts";
import { pause } from "../../util/async/pause.ts";
import type { Log } from "../../util/log.ts";
import type { HealthAnswer } from "../api/agent_health.ts";
import type { Store } from "../../store/store.ts";
import type { RequestGate } from "../server/request_gate.ts";
import { AgentMeter } from "./agent_meter.ts";
import type { ListenAddress, ListenOptions } from "./listen_address.ts";
import { meteredStore, WatchLag } from "./metered_store.ts";
import { servePlainHttp } from "./plain_http.ts";
import { answerProbes, type Problem, readToken } from "./probes.ts";
import { Scraper } from "./scrape.ts";
import type { StateSources } from "./state_families.ts";

const RETRY_MS = 5_000;

/** What metrics are made from, at the agent's start. */
export interface MetricsDeps {
  readonly listen: ListenOptions;
  readonly version: string;
  readonly host: string;
  readonly gate: Pick<RequestGate, "closed">;
  readonly log: Log;
}

/** The metrics of an agent. */
export class Metrics implements AsyncDisposable {
  readonly meter = new AgentMeter(() => performance.now());
  readonly #lag = new WatchLag(this.meter.watchDelays, () => performance.now());
  readonly #deps: MetricsDeps;
  readonly #scraper: Scraper;
  readonly #stopping = new AbortController();
  readonly #serving: Promise<unknown>;
  #health: (() => HealthAnswer) | undefined;

  constructor(deps: MetricsDeps) {
    this.#deps = deps;
    const { listen: { addresses, tokenFile }, version, host, gate, log } = deps;
    this.#scraper = new Scraper({
      ...{ version, host, meter: this.meter, lag: this.#lag, log },
      cpuSeconds: () => {
        const { user, system } = process.cpuUsage();
        return (user + system) / 1e6;
      },
    });
    const answer = answerProbes({
      metrics: () => this.#scraper.text(),
      closed: () => gate.closed,
      problems: () => this.#health ? problemsOf(this.#health()) : [],
      token: async () => tokenFile === undefined ? undefined : await readToken(tokenFile),
    });
    const serve = async (address: ListenAddress) => await this.#keepServing(address, answer);
    this.#serving = Promise.all(addresses.map(serve));
  }

  /** Returns `store`, measured. */
  store(store: Store): Store {
    const now = () => performance.now();
    return meteredStore(store, { requests: this.meter.storeRequests, lag: this.#lag, now });
  }

  /** The agent is composed: its state is part of scrapes from now on. */
  follow(sources: StateSources): void {
    this.#scraper.follow(sources);
  }

  /** The agent answers requests from now on. */
  noteReady(health: () => HealthAnswer): void {
    this.#health = health;
    this.#scraper.noteReady();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#serving;
  }

  async #keepServing(
    address: ListenAddress,
    answer: ReturnType<typeof answerProbes>,
  ): Promise<void> {
    const { log } = this.#deps;
    const { signal } = this.#stopping;
    const place = address.kind === "unix" ? address.text : `http://${address.text}`;
    let logged = "";
    while (!signal.aborted) {
      try {
        const listener = await listenAt(address);
        const stop = () => listener.close();
        signal.addEventListener("abort", stop, { once: true });
        log.info(`metrics served at ${place}`);
        logged = "";
        await servePlainHttp(listener, answer).finally(() => {
          signal.removeEventListener("abort", stop);
          if (!signal.aborted) listener.close();
        });
      } catch (error) {
        const why = systemWords(error);
        if (signal.aborted || error instanceof Deno.errors.BadResource) continue;
        if (why !== logged) {
          log.warn(`metrics not served at ${place}: ${why}; it is tried again every 5 s`);
        }
        logged = why;
      }
      await pause(RETRY_MS, signal);
    }
  }
}

async function listenAt(address: ListenAddress): Promise<Deno.Listener<Deno.Conn>> {
  if (address.kind === "tcp") {
    const { hostname, port } = address;
    return Deno.listen({ hostname, port });
  }
  await removeOldSocket(address.path);
  const before = Deno.umask(0o177); // for root only from the start
  try {
    return Deno.listen({ transport: "unix", path: address.path });
  } finally {
    Deno.umask(before);
  }
}

/** Removes the socket of an agent that was killed. One that answers, and any other file, stays and is in the way. */
async function removeOldSocket(path: string): Promise<void> {
  const isSocket = await Deno.lstat(path).then((one) => one.isSocket, () => false);
  if (!isSocket) return;
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) await Deno.remove(path);
  }
}

/** Returns what does not work, by what the agent knows of itself. */
export function problemsOf(health: HealthAnswer): Problem[] {
  const { ovsdb, openflow, storeAway, policies, reach, kube } = health;
  const found: Problem[] = [];
  const add = (part: string, why: string | undefined, isVital = false) => {
    if (why !== undefined) found.push({ part, why, isVital });
  };
  add("Open vSwitch", ovsdb === "down" ? "its database is unreachable" : undefined, true);
  add("Open vSwitch", openflow === "down" ? "the bridge does not answer" : undefined, true);
  add("store", storeAway);
  add("API server", kube?.state === "down" ? kube.why || "unreachable" : undefined);
  add("policies", policies);
  add("gateways", reach);
  return found;
}
