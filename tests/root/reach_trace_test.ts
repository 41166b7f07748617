// `trace` beyond a pod's own network: each stage by model, switch and the kernel's own rules, and that they agree.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ReachWorld } from "../lab/reach/reach_world.ts";
import { run } from "../lab/run.ts";
import { waitFor } from "../lab/wait.ts";

/** Words of a call, and what its answer must have: its first word, and parts of its lines. */
const ROWS: readonly (readonly [words: string, verdict: string, ...parts: string[]])[] = [
  [
    ...["one/a1 outside --tcp 443", "allowed", "outside (192.0.2.1)"] as const,
    ...["gateway:  allowed  Reach of one/blue has outside", "switch:   allowed"] as const,
    ...["host:     allowed  10.1.1.1 is in set outside of table ip k8contivnet"] as const,
    "source:   allowed  it leaves with this host's address",
  ],
  [
    ...["two/b1 outside --tcp 443", "allowed", "host:     allowed  its alias 100.64."] as const,
    "in set outside",
  ],
  [
    ...["one/d1 outside --tcp 443", "denied"] as const,
    ...["gateway:  denied  Reach of one/sys does not have outside", "switch:   denied"] as const,
  ],
  [
    ...["one/a1 host --tcp 6443", "allowed", "policies: allowed  they do not judge"] as const,
    "host:     allowed  10.1.1.1 is in set host",
  ],
  ["one/d1 host --tcp 6443", "denied", "host:     denied  10.9.9.1 is not in set host"],
  [
    ...["one/a1 198.51.100.1 --tcp 6443", "allowed", "Reach of one/blue has host"] as const,
    "in set host",
  ],
  ["two/b1 198.51.100.1 --tcp 6443", "denied", "host:     denied  its alias"],
  [
    ...["one/a1 10.96.0.20 --tcp 80", "allowed", "Reach of one/blue has services"] as const,
    "service:  allowed  chain LAB-SERVICES of table nat leads to its backends",
  ],
  ["one/a1 one/d1 --tcp 80", "allowed", "ReachNetworks has one/sys", "switch:   allowed"],
  ["one/a1 10.9.9.2 --udp 53", "allowed", "ReachNetworks has one/sys", "switch:   allowed"],
  ["one/d1 one/a2 --tcp 80", "denied", "policies: denied  rule 1 of group web", "switch:   denied"],
  ["two/b1 10.9.9.1 --tcp 80", "denied", "ReachNetworks of two/red does not have one/sys"],
  ["one/a1 169.254.169.254 --tcp 80", "denied", "such addresses are not outside"],
];

Deno.test("trace shows each stage of the way beyond a pod's network", async () => {
  await using world = await ReachWorld.start({ fabric: "vxlan" });
  const { agent, netns } = world.cluster.host(1);
  const trace = (words: string) => agent.call("trace", ...words.split(" "));
  for (const [words, verdict, ...parts] of ROWS) {
    const { code, out, err } = await trace(words);
    assertEquals([code, out.split(" ")[0]], [0, verdict], `${words}: ${out}${err}`);
    for (const part of parts) assertStringIncludes(out, part, words);
  }
  const json = await trace("one/a1 outside --icmp -o json");
  const { stages } = JSON.parse(json.out);
  const names = stages.map(({ name }: { name: string }) => name);
  assertEquals(names, ["policies", "gateway", "switch", "host", "source"]);
  const far = await trace("one/a3 outside");
  assertEquals([far.code, /host2/.test(far.err)], [3, true], far.err);
  const none = await trace("one/a1 10.96.9.9 --tcp 80");
  assertMatch(
    none.out,
    /service: {2}denied {2}no rule of the host names 10\.96\.9\.9 for tcp 80: is kube-proxy/,
  );
  assertStringIncludes(none.err, "no service answers at this address");
  const within = await trace("one/a1 one/a2 --tcp 8080");
  assertEquals([within.code, within.out.split(" ")[0]], [0, "allowed"], within.err);
  // The agent may notice it at once.
  const { err } = await waitFor("a trace before the next repair", async () => {
    await run("ip", [
      "netns",
      "exec",
      netns,
      "nft",
      "flush",
      "set",
      "ip",
      "k8contivnet",
      "outside",
    ]);
    const answer = await trace("one/a1 outside --tcp 443");
    return answer.code === 1 && answer;
  });
  assertStringIncludes(err, "policies and host do not agree");
});
