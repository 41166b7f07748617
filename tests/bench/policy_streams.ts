// What policies cost a stream of TCP: without policies, through their tables without any rule, and with
// 1,000 rules; on one host, the three in turns.

import { run } from "../../lib/util/run.ts";
import type { Host } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";
import { note, type Samples } from "./stats.ts";
import { throughput } from "./streams.ts";

const BYTES = 60 * 1024 * 1024;

/** The ways of a stream; "no rule" is given one, which is then taken out of the switch. */
const WAYS = [
  { name: "no policy", network: "bare", rules: 0 },
  { name: "no rule", network: "none", rules: 1 },
  { name: "1,000 rules", network: "thousand", rules: 1_000 },
] as const;

/** Rules that do not speak of the stream's port. */
function rules(count: number): unknown[] {
  return Array.from({ length: count }, (_, n) => ({
    Id: String(n),
    Direction: n % 2 === 0 ? "in" : "out",
    Priority: 1 + n % 100,
    Protocol: n % 3 === 0 ? "udp" : "tcp",
    Port: 10_000 + n,
    ...n % 5 === 0
      ? { [n % 2 === 0 ? "FromIpAddress" : "ToIpAddress"]: `10.${n % 200}.0.0/16` }
      : {},
    Action: n % 7 === 1 ? "allow" : "deny",
  }));
}

/** Returns groups, policies and networks of a tenant, for all ways. */
export function streamsIntent() {
  return {
    Groups: WAYS.map(({ network, rules }) => ({
      Name: `g-${network}`,
      Network: network,
      Policies: rules > 0 ? [`p-${network}`] : [],
    })),
    Policies: WAYS.map(({ network, rules: count }) => ({
      Name: `p-${network}`,
      Rules: rules(count),
    })),
    Networks: WAYS.map(({ network }) => ({
      Name: network,
      Endpoints: ["a", "b"].map((end) => ({
        Container: `${network}-${end}`,
        Group: `g-${network}`,
      })),
    })),
  };
}

interface Way {
  readonly name: string;
  readonly a: Pod;
  readonly b: Pod;
  readonly ip: string;
}

/** Streams between the pods of each way. */
export class Streams {
  readonly #host: Host;
  readonly #ways: readonly Way[];
  #rounds = 0;

  private constructor(host: Host, ways: readonly Way[]) {
    this.#host = host;
    this.#ways = ways;
  }

  /** Sets the pods up. */
  static async start(host: Host): Promise<Streams> {
    const ways: Way[] = [];
    for (const { name, network } of WAYS) {
      const [a, b] = [await host.pod(`${network}-a`), await host.pod(`${network}-b`)];
      await host.agent.setup(a);
      await host.agent.setup(b);
      ways.push({ name, a, b, ip: await host.agent.addressOf(b) });
    }
    return new Streams(host, ways);
  }

  /** One stream of each way; each round begins with another one. */
  async round(samples: Samples): Promise<void> {
    const at = this.#rounds++ % this.#ways.length;
    for (const { name, a, b, ip } of [...this.#ways.slice(at), ...this.#ways.slice(0, at)]) {
      const stream = () => throughput(a, b, ip, BYTES);
      note(samples, `${name}, MB/s`, await (name === "no rule" ? this.#bare(stream) : stream()));
    }
  }

  /** Does `work` while the switch has no rule of "no rule"; anew where the agent put it back meanwhile. */
  async #bare<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 0; tries < 5; tries++) {
      for (const line of await this.#ruleLines("none")) {
        const match = line.replace(/^cookie=\w+, /, "").replace(/ actions=.*/, "");
        await this.#ofctl("--strict", "del-flows", match.replace(", ", ","));
      }
      const done = await work();
      if ((await this.#ruleLines("none")).length === 0) return done;
    }
    throw new Error("the agent puts the rule back each time");
  }

  /** Throws if the ways are not what they are called. */
  async check(): Promise<void> {
    const count = (await this.#ruleLines("thousand")).length;
    if (count < 1_000) throw new Error(`of 1,000 rules the switch has ${count} lines`);
    const text = await this.#ofctl("dump-flows", "table=30");
    if (!/n_packets=[1-9].*ct\(commit/.test(text)) throw new Error("no stream was tracked");
  }

  /** Returns the lines of the tables of rules that are about a way's pods. */
  async #ruleLines(network: string): Promise<string[]> {
    const text = await this.#ofctl("--no-stats", "--no-names", "dump-flows");
    const { ip } = this.#ways[WAYS.findIndex((way) => way.network === network)]!;
    // Its pods have neighbouring addresses; rules with peers are found by their network, reg0.
    const tag = new RegExp(`table=10, priority=\\d+,ip,reg0=(0x\\w+),nw_dst=${ip} `).exec(text)
      ?.[1];
    if (tag === undefined) throw new Error(`nothing guards ${ip}`);
    return text.split("\n").map((line) => line.trim())
      .filter((line) => /table=2[0-3],/.test(line) && line.includes(`reg0=${tag},`));
  }

  #ofctl(...words: string[]): Promise<string> {
    const at = words.findIndex((word) => !word.startsWith("--")) + 1;
    const bridge = `unix:${this.#host.ovs.rundir}/contivBridge.mgmt`;
    return run("ovs-ofctl", ["-OOpenFlow14", ...words.slice(0, at), bridge, ...words.slice(at)]);
  }
}
