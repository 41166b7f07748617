// Wrong uses of the commands: each is refused by one line with the cause and the way out and by the right exit code,
// and changes nothing. Wrong contents of intents are in bad_input_test.ts.

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { HistoryItem } from "../../lib/agent/api/intent_requests.ts";
import { type Host, intentOf, startHost, worldOf } from "../lab/host.ts";

/** Words of a call, DIR for the test's folder; its exit code; and the cause and the way out of what it says. */
type WrongUse = readonly [words: string, code: number, says: RegExp];

const WRONG_USES: readonly WrongUse[] = [
  // Commands, options and their values.
  ["gett networks", 2, /"gett" is not a command; did you mean get\?/],
  ["frobnicate", 2, /"frobnicate" is not a command; see "k8contivnet help"/],
  ["get endpoints --sortby address", 2, /unknown option --sortby; did you mean --sort-by\?/],
  ["get endpoints --strict", 2, /get has no --strict; see k8contivnet get -h/],
  ["get endpoints --sort-by", 2, /--sort-by has no value; --sort-by FIELD/],
  ["get endpoints -o --no-color", 2, /-o has no value; -o /],
  ["apply -f", 2, /-f has no value; -f FILE/],
  ["apply -f DIR/ok.json --prune=maybe", 2, /--prune "maybe" is neither true nor false; use true/],
  ["doctor host2", 2, /doctor got "host2": it takes options only; see k8contivnet doctor -h/],
  ["edit intent.json", 2, /edit got .*; /],
  ["gc host2", 2, /gc got "host2": it takes .*; .*gc/],
  // Files.
  ["apply DIR/ok.json", 2, /ok\.json" has no option before it; did you mean -f .*ok\.json\?/],
  ["delete networks t/blue", 2, /"networks t\/blue" has no option before it; add -f FILE/],
  ["plan", 2, /no intent file is given; add -f FILE, or -f - for stdin/],
  ["apply -f -", 2, /intent stdin is empty; see "k8contivnet intent example"/],
  ["apply -f - -f -", 2, /standard input is named twice; name it once/],
  ["apply -f DIR/two.json", 2, /two\.json is not valid JSON at line 1, column 4: .*; compare/],
  ["apply -f DIR/twice.yaml", 2, /twice\.yaml is not valid YAML at line 3, column 3: .*; compare/],
  ["apply -f DIR/empty", 3, /folder DIR\/empty has no intent: .*; name another one/],
  [
    "apply --strict -f DIR/typo.yaml",
    2,
    /line 3, column 13: .*Netwroks .*; did you mean "Networks"/,
  ],
  ["plan --to 1 -f DIR/ok.json", 2, /plan got both -f and --to: .*; leave one of them out/],
  // Revisions.
  [
    "rollback",
    2,
    /rollback got 0 arguments: it takes 1; k8contivnet history shows .*; rollback 0 goes back to revision 0/,
  ],
  ["rollback one", 2, /"one" is not a revision: it must be a number; see k8contivnet history/],
  ["rollback 99", 3, /revision 99 not found: revisions 1 to 1 are kept; see k8contivnet history/],
  ["rollback 0", 4, /would detach default\/pod0 on host1; delete these pods first, or add --force/],
  ["history 99", 3, /revision 99 not found: .*; see k8contivnet history/],
  // What is shown.
  ["get", 2, /get needs a kind; kinds: hosts, tenants/],
  ["get networks t/none", 3, /network "t\/none" not found; see k8contivnet get networks/],
  ["get hosts -n shop", 2, /hosts have no namespace; leave -n out/],
  ["get endpoints --sort-by colour", 2, /nothing has a field "colour"; fields: tenant/],
  ["get endpoints -l a~b", 2, /selector "a~b" is refused: it must be KEY=VALUE.*; use one such as/],
  ["get endpoints -o custom-columns=", 2, /-o "custom-columns=" is not a format; use table/],
  ["explain Networks.Colour", 3, /no field "Networks\.Colour"; see k8contivnet explain/],
  // Pods.
  ["bind pod0", 2, /bind got 1 arguments: it takes 2 or 3; bind POD HOST/],
  ["bind pod0 no/host", 2, /host "no\/host" is not a valid name: .*; choose another name/],
  ["why a/b/c", 2, /"a\/b\/c" is not .*; /],
  ["trace pod0", 2, /trace got 1 arguments: it takes two pods.*; k8contivnet trace/],
  ["trace pod0 nobody --tcp 80", 3, /no attached pod is "nobody"; .*k8contivnet get attachments/],
  ["trace pod0 pod0 --tcp http", 2, /port "http" is out of range \(1-65535\); --tcp 8000/],
  ["exec pod0", 2, /exec got no command: .* behind --; k8contivnet exec pod0 -- ip address/],
  ["exec nobody -- true", 3, /pod default\/nobody not found; see k8contivnet get pods -A/],
  ["ping pod0", 2, /ping got 1 arguments: it takes two pods.*; k8contivnet ping/],
  ["ping pod0 10.9.0.1 --count 0", 2, /--count "0" is out of range \(1-1000\); --count 3/],
  ["capture", 2, /capture needs one pod; k8contivnet capture/],
  ["capture pod0 -o text", 2, /-o "text" is not a format; leave -o out: text on a terminal/],
  ["docs", 2, /docs needs operations, contiv or man; k8contivnet docs operations/],
  ["metrics", 2, /metrics needs dashboard, or rules; .*http:\/\/ADDRESS:PORT\/metrics .* --listen/],
  ["capture pod0 --timeout soon", 2, /--timeout "soon" is not a valid duration; use seconds/],
  // This host, other hosts, stores and servers.
  ["gc --host host9", 3, /no host is named "host9": .*; list them with k8contivnet get hosts/],
  ["gc --host host1", 4, /host1 is not removed: it is this host.*; tear down its pods/],
  ["doctor --host host9", 3, /host host9 has left no report: .*; /],
  ["bundle DIR/empty", 4, /empty is there already: it is not overwritten; give another name/],
  [
    "store copy",
    2,
    /store got "copy": it takes copy and two stores, or backup, a store and a file; k8contivnet store copy FROM TO/,
  ],
  ["store copy sqlite:DIR/a.db sqlite:DIR/b.db", 3, /a\.db not found; see --store/],
  [
    "store copy redis://x sqlite:DIR/b.db",
    2,
    /store "redis" is not of a known kind; write sqlite:PATH/,
  ],
  ["kube status", 5, /the agent has no cluster; start it with --kubeconfig FILE/],
  [
    "completion tcsh",
    2,
    /completion got "tcsh": it takes bash, zsh or fish; k8contivnet completion/,
  ],
  ["get hosts --store etcd://", 2, /store's URL refused: .*; write etcd:\/\/HOST:2379/],
  [
    "get hosts --socket DIR/none.sock",
    5,
    /unreachable: no such socket; start "k8contivnet netplugin"/,
  ],
  // The agent's flags, and a kubelet's calls.
  ["netplugin --history 0", 2, /--history "0" is refused: .*; use one such as 100, or 30d/],
  [
    "netplugin --vtep-ip 300.1.1.1",
    2,
    /"300\.1\.1\.1" is not a valid IPv4 address; use one such as/,
  ],
  ["netplugin --node-name n1", 2, /--node-name needs --kubeconfig; add --kubeconfig FILE/],
  ["setup default pod0", 2, /setup got 2 arguments: it takes 3; k8contivnet setup NAMESPACE NAME/],
];

Deno.test("each wrong use is refused with its cause, the way out and its code, and changes nothing", async (t) => {
  await using host = await startHost(intentOf(2));
  await host.agent.setup(await host.pod("pod0"));
  await writeFiles(host.dir);
  const seen = async () => [await worldOf(host), await host.agent.ask<HistoryItem[]>("history")];
  const before = await seen();
  for (const use of WRONG_USES) await t.step(use[0], () => assertRefused(host, use));
  assertEquals(await seen(), before);
});

async function writeFiles(dir: string): Promise<void> {
  const texts = {
    "ok.json": JSON.stringify(intentOf(3)),
    "two.json": "{} {}",
    "twice.yaml": "Tenants:\n- Name: a\n  Name: b\n",
    "typo.yaml": "Tenants:\n- Name: a\n  Netwroks: []\n",
  };
  for (const [name, text] of Object.entries(texts)) {
    await Deno.writeTextFile(`${dir}/${name}`, text);
  }
  await Deno.mkdir(`${dir}/empty`);
}

async function assertRefused({ agent, dir }: Host, [words, code, says]: WrongUse): Promise<void> {
  const ended = await agent.call(...words.replaceAll("DIR", dir).split(" "));
  const lines = ended.err.replaceAll(dir, "DIR").split("\n");
  const sentence = lines.at(-1) ?? "";
  assertMatch(sentence, says);
  assertEquals([ended.code, ended.out], [code, ""], sentence);
  // What runs for some time says so before.
  assert(lines.length === 1 || words.startsWith("gc --host"), ended.err);
}
