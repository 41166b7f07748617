// Measures the throughput of one TCP stream on one host, in alternation: without policies, through the
// policy tables without rules, and with 1,000 rules.

import { run } from "../../lib/util/run.ts";
import type { Host } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";
import { note, type Samples } from "./stats.ts";
import { throughput } from "./streams.ts";

const BYTES = 60 * 1024 * 1024;

/** The cases. "no rules" has one rule, which is removed from the switch while its stream runs. */
const CASES = [
  { name: "no policy", network: "bare", rules: 0 },
  { name: "no rules", network: "none", rules: 1 },
  { name: "1,000 rules", network: "thousand", rules: 1_000 },
] as const;

/** Returns rules that do not match the stream's port. */
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

/** Returns a tenant's groups, policies and networks for all cases. */
export function streamsIntent() {
  return {
    Groups: CASES.map(({ network, rules }) => ({
      Name: `g-${network}`,
      Network: network,
      Policies: rules > 0 ? [`p-${network}`] : [],
    })),
    Policies: CASES.map(({ network, rules: count }) => ({
      Name: `p-${network}`,
      Rules: rules(count),
    })),
    Networks: CASES.map(({ network }) => ({
      Name: network,
      Endpoints: ["a", "b"].map((end) => ({
        Container: `${network}-${end}`,
        Group: `g-${network}`,
      })),
    })),
  };
}

interface Case {
  readonly name: string;
  readonly a: Pod;
  readonly b: Pod;
  readonly ip: string;
}

/** Streams between the pods of each case. */
export class Streams {
  readonly #host: Host;
  readonly #cases: readonly Case[];
  #rounds = 0;

  private constructor(host: Host, cases: readonly Case[]) {
    this.#host = host;
    this.#cases = cases;
  }

  /** Sets up the pods. */
  static async start(host: Host): Promise<Streams> {
    const cases: Case[] = [];
    for (const { name, network } of CASES) {
      const [a, b] = [await host.pod(`${network}-a`), await host.pod(`${network}-b`)];
      await host.agent.setup(a);
      await host.agent.setup(b);
      cases.push({ name, a, b, ip: await host.agent.addressOf(b) });
    }
    return new Streams(host, cases);
  }

  /** Runs one stream of each case; each round starts with a different one. */
  async round(samples: Samples): Promise<void> {
    const at = this.#rounds++ % this.#cases.length;
    for (const { name, a, b, ip } of [...this.#cases.slice(at), ...this.#cases.slice(0, at)]) {
      const stream = () => throughput(a, b, ip, BYTES);
      note(
        samples,
        `${name}, MB/s`,
        await (name === "no rules" ? this.#withoutRules(stream) : stream()),
      );
    }
  }

  /** Runs `work` while the rule of "no rules" is removed; repeats it if the agent restored the rule meanwhile. */
  async #withoutRules<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; attempt < 5; attempt++) {
      for (const flow of await this.#ruleFlows("none")) {
        const match = flow.replace(/^cookie=\w+, /, "").replace(/ actions=.*/, "");
        await this.#ofctl("--strict", "del-flows", match.replace(", ", ","));
      }
      const done = await work();
      if ((await this.#ruleFlows("none")).length === 0) return done;
    }
    throw new Error("the agent restored the rule each time");
  }

  /** Throws if the switch does not have the rules that the case's name promises. */
  async check(): Promise<void> {
    const count = (await this.#ruleFlows("thousand")).length;
    if (count < 1_000) throw new Error(`the switch has only ${count} flows for 1,000 rules`);
    const text = await this.#ofctl("dump-flows", "table=30");
    if (!/n_packets=[1-9].*ct\(commit/.test(text)) {
      throw new Error("no stream went through connection tracking");
    }
  }

  /** Returns the flows of the rule tables for a case's pods. */
  async #ruleFlows(network: string): Promise<string[]> {
    const text = await this.#ofctl("--no-stats", "--no-names", "dump-flows");
    const { ip } = this.#cases[CASES.findIndex((one) => one.network === network)]!;
    // Rules are found by their network, reg0, as those with peers do not name the pod's address.
    const tag = new RegExp(`table=10, priority=\\d+,ip,reg0=(0x\\w+),nw_dst=${ip} `).exec(text)
      ?.[1];
    if (tag === undefined) throw new Error(`no policy applies to ${ip}`);
    return text.split("\n").map((line) => line.trim())
      .filter((line) => /table=2[0-3],/.test(line) && line.includes(`reg0=${tag},`));
  }

  #ofctl(...args: string[]): Promise<string> {
    const at = args.findIndex((arg) => !arg.startsWith("--")) + 1;
    const bridge = `unix:${this.#host.ovs.rundir}/contivBridge.mgmt`;
    return run("ovs-ofctl", ["-OOpenFlow14", ...args.slice(0, at), bridge, ...args.slice(at)]);
  }
}
