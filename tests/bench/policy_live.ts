// What policies cost where packets are: throughput without policies, with one rule, with 1,000 rules, on
// one host and interleaved; and the time from a changed label to the rule in force, at 500 pods.
// Inside the lab: deno run -A tests/bench/policy_live.ts [ROUNDS] [PODS]

import { askAgent } from "../../lib/agent/client.ts";
import { type Host, setupDirectly, startHost } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";
import { note, quantile, type Samples, timed } from "./stats.ts";
import { throughput } from "./streams.ts";

const ROUNDS = Number(Deno.args[0] ?? 8);
const PODS = Number(Deno.args[1] ?? 500);
const samples: Samples = new Map();

const WAYS = [
  { name: "no policy", network: "bare", rules: 0 },
  { name: "1 rule", network: "one", rules: 1 },
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

function intent(): unknown {
  return {
    Tenants: [{
      Name: "t",
      DefaultNetType: "vlan",
      SubnetPool: "10.0.0.0/8",
      AllocSubnetLen: 20,
      Vlans: "100-200",
      Groups: WAYS.map(({ network, rules }) => ({
        Name: `g-${network}`,
        Network: network,
        Policies: rules > 0 ? [`p-${network}`] : [],
      })),
      Policies: WAYS.map(({ network, rules: count }) => ({
        Name: `p-${network}`,
        Rules: rules(count),
      })),
      Networks: [
        ...WAYS.map(({ network }) => ({
          Name: network,
          Endpoints: ["a", "b"].map((end) => ({
            Container: `${network}-${end}`,
            Group: `g-${network}`,
          })),
        })),
        {
          Name: "many",
          Endpoints: Array.from({ length: PODS }, (_, n) => ({ Container: `pod${n}` })),
        },
      ],
    }],
  };
}

async function streams(host: Host): Promise<void> {
  const ways = [];
  for (const { name, network } of WAYS) {
    const [a, b] = [await host.pod(`${network}-a`), await host.pod(`${network}-b`)];
    await host.agent.setup(a);
    await host.agent.setup(b);
    ways.push({ name, a, b, ip: await host.agent.addressOf(b) });
  }
  for (let n = 0; n < ROUNDS; n++) {
    for (const { name, a, b, ip } of ways) {
      note(samples, `${name}, MB/s`, await throughput(a, b, ip));
    }
  }
}

async function labels(host: Host): Promise<void> {
  const pods: Pod[] = [];
  for (let at = 0; at < PODS; at += 16) {
    const some = await Promise.all(
      Array.from({ length: Math.min(16, PODS - at) }, (_, n) => host.pod(`pod${at + n}`)),
    );
    await Promise.all(some.map((pod) => setupDirectly(host.agent, pod)));
    pods.push(...some);
  }
  const app = (name: string) => ({ matchLabels: { app: name } });
  const policies = Array.from({ length: 20 }, (_, n) => ({
    namespace: "default",
    name: `p${n}`,
    podSelector: app(`app${n}`),
    ingress: [{ from: [{ podSelector: app(`app${(n + 1) % 20}`) }], ports: [{ port: 80 }] }],
  }));
  const tell = (moved: number, to: number) =>
    askAgent({
      socket: host.agent.socket,
      path: "/v1/kubernetes",
      body: {
        namespaces: [{ name: "default", labels: {} }],
        policies,
        pods: pods.map(({ name, namespace, id }, n) => ({
          ...{ namespace, name, uid: id, addresses: [], ports: [] },
          labels: { app: `app${n === moved ? to : n % 20}` },
        })),
      },
    });
  note(samples, "first policies, ms", await timed(() => tell(-1, 0)));
  for (let n = 0; n < 40; n++) {
    note(samples, "label to rule, ms", await timed(() => tell(n, (n + 7) % 20)));
  }
}

async function main(): Promise<void> {
  await using host = await startHost(intent());
  await streams(host);
  if (PODS > 0) await labels(host);
  const status = await Deno.readTextFile(`/proc/${host.agent.pid}/status`);
  for (const name of samples.keys()) {
    const [p50, p90] = [0.5, 0.9].map((q) => quantile(samples, name, q).toFixed(1));
    console.log(`${name}: p50 ${p50}, p90 ${p90}`);
  }
  const p50 = (name: string) => quantile(samples, `${name}, MB/s`, 0.5);
  const ratio = (one: string, other: string) => (p50(one) / p50(other)).toFixed(2);
  console.log(`1,000 rules ÷ 1 rule ${ratio("1,000 rules", "1 rule")} (goal 0.95)`);
  console.log(`connection tracking: 1 rule ÷ no policy ${ratio("1 rule", "no policy")} (printed)`);
  console.log(`agent's memory, MB: ${Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024}`);
}

await main();
