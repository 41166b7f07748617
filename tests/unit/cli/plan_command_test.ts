import { assertEquals } from "@std/assert";
import type { IntentRequest, PlanAnswer } from "../../../lib/agent/api/intent_requests.ts";
import { previewRequest } from "../../../lib/agent/store/preview.ts";
import { plan, planTree } from "../../../lib/cli/plan_command.ts";
import type { CommonOptions } from "../../../lib/cli/shell.ts";
import { IntentDatabase } from "../intent/intent_database.ts";
import { fakeShell } from "./fake_shell.ts";

const endpoint = (Container: string, Host?: string) => ({ Container, ...Host ? { Host } : {} });

const intentOf = (
  endpoints: readonly object[],
  hosts: readonly object[] = [],
  more: object = {},
) => ({
  Hosts: [{ Name: "h1", Intf: "eth1" }, { Name: "h2", Intf: "eth1" }, ...hosts],
  Tenants: [{
    ...{ Name: "t", DefaultNetType: "vlan", SubnetPool: "10.0.0.0/8", AllocSubnetLen: 24 },
    ...{ Vlans: "100-200", ...more },
    Networks: [{ Name: "blue", Endpoints: endpoints }],
  }],
});

const attachment = (name: string, host: string) => ({
  [`attachments/${host}/${name}/eth0`]: {
    ...{ schema: 1, id: "0123456789a", host, tenant: "t", network: "blue", endpoint: name },
    ...{ pod: { namespace: "default", name }, sandbox: "0123456789ab", generation: 1 },
    ...{ netns: "/run/netns/0123456789ab", netnsInode: 1, interface: "eth0", mtu: 1500 },
    ...{ addresses: ["10.0.0.1/24"], mac: "02:02:0a:00:00:01", state: "ready" },
  },
});

/** Returns the answer of planning `after` where `before` is applied and `pods` run. */
function preview(
  before: object,
  after: object,
  pods: readonly (readonly [name: string, host: string])[] = [],
  known: Parameters<typeof previewRequest>[2] = {},
): PlanAnswer {
  const store = new IntentDatabase();
  store.applyFile("replace", before);
  for (const [name, host] of pods) store.put(attachment(name, host));
  const request = { mode: "replace" as const, text: JSON.stringify(after), force: true };
  return previewRequest(store.documents, request, known);
}

const output = fakeShell([], {}).output;

Deno.test("plan is a tree by host: what concerns all, each host's own, and what has no host yet", () => {
  const answer = preview(
    intentOf([]),
    intentOf(
      [endpoint("web", "h2"), endpoint("db")],
      [{ Name: "h3", Intf: "eth1" }],
      { Vlans: "100-300" },
    ),
  );
  assertEquals(planTree(output, answer), [
    "all hosts",
    "  ~ tenant t",
    "      Vlans: 100-200 → 100-300",
    "h2",
    "  + endpoint t/blue/web",
    "      Host: h2",
    "      IpAddress: 10.0.0.1 (from the pool)",
    "  ! default/web attached: at its set-up (t/blue/web)",
    "h3",
    "  + host h3",
    "      Intf: eth1",
    "any host (bound where the pod is set up)",
    "  + endpoint t/blue/db",
    "      IpAddress: 10.0.0.2 (from the pool)",
  ]);
});

Deno.test("plan says which pods are cut off, and until when", () => {
  const answer = preview(intentOf([endpoint("web"), endpoint("db")]), intentOf([endpoint("db")]), [
    ["web", "h1"],
    ["db", "h2"],
  ]);
  assertEquals(Object.keys(answer.hosts ?? {}), ["h1"]);
  assertEquals(answer.hosts?.h1, {
    moves: [],
    cuts: [{
      ...{ pod: "default/web", endpoint: "t/blue/web", why: "its endpoint is deleted" },
      until: "until an endpoint or network is for it again",
    }],
    attaches: [],
  });
  assertEquals(planTree(output, answer).slice(0, 2), [
    "h1",
    "  ! default/web cut off: its endpoint is deleted (t/blue/web), until an endpoint or network is for it again",
  ]);
});

Deno.test("plan says which pods stay while their endpoint belongs on another host", () => {
  const answer = preview(intentOf([endpoint("web", "h1")]), intentOf([endpoint("web", "h2")]), [
    ["web", "h1"],
  ]);
  assertEquals(answer.hosts?.h1?.moves.map(({ pod, why }) => [pod, why]), [
    ["default/web", "it stays until it is set up on h2"],
  ]);
  assertEquals(answer.hosts?.h2?.moves.map(({ why }) => why), ["it comes from h1 with its set-up"]);
  assertEquals([answer.hosts?.h1?.cuts, answer.hosts?.h2?.cuts], [[], []]);
});

Deno.test("plan says which pods an other uplink interrupts, of VLAN networks only", () => {
  const before = intentOf([endpoint("web"), endpoint("db")]);
  const after = {
    ...before,
    Hosts: [{ Name: "h1", Intf: "eth9" }, { Name: "h2", Intf: "eth1", VtepIp: "192.0.2.1" }],
  };
  const answer = preview(before, after, [["web", "h1"], ["db", "h2"]]);
  assertEquals(answer.hosts, {
    h1: {
      ...{ moves: [], attaches: [] },
      cuts: [{
        ...{ pod: "default/web", endpoint: "t/blue/web", why: "uplink eth1 → eth9" },
        until: "towards other hosts, until h1 has changed it",
        lasts: {
          seconds: 0.5,
          from: "as measured between two hosts with the userspace datapath",
        },
      }],
    },
  });
});

Deno.test("plan says that a host without an uplink does not reach others, without an end", () => {
  const after = { ...intentOf([endpoint("web")]), Hosts: [{ Name: "h2", Intf: "eth1" }] };
  const { hosts } = preview(intentOf([endpoint("web")]), after, [["web", "h1"]]);
  assertEquals(hosts?.h1?.cuts.map(({ why, until, lasts }) => [why, until, lasts]), [
    ["uplink eth1 → none", "towards other hosts", undefined],
  ]);
});

Deno.test("plan says how long a set-up takes, where it is known", () => {
  const attach = { seconds: 0.02, from: "median of 7 set-ups on h1" };
  const known = { attach, waiting: [{ host: "h1", namespace: "default", name: "db" }] };
  const answer = preview(
    intentOf([endpoint("web", "h1")]),
    intentOf([endpoint("web", "h2"), endpoint("db")]),
    [["web", "h1"]],
    known,
  );
  assertEquals(planTree(output, answer).filter((line) => line.includes("!")), [
    "  ! default/web moves: it stays until it is set up on h2 (t/blue/web)",
    "  ! default/db attached: it waits for it (t/blue/db), about 0.02 s (median of 7 set-ups on h1)",
    "  ! default/web moves: it comes from h1 with its set-up (t/blue/web), without a network until it is set up, about 0.02 s (median of 7 set-ups on h1)",
  ]);
});

Deno.test("plan says which waiting pods are attached at once", () => {
  const waiting = [
    { host: "h1", namespace: "default", name: "web" },
    { host: "h1", namespace: "default", name: "other" },
  ];
  const answer = preview(intentOf([]), intentOf([endpoint("web")]), [], { waiting });
  assertEquals(answer.hosts, {
    h1: {
      ...{ moves: [], cuts: [] },
      attaches: [{ pod: "default/web", endpoint: "t/blue/web", why: "it waits for it" }],
    },
  });
});

Deno.test("plan -o json has the changes as history has them", () => {
  const { changes } = preview(intentOf([endpoint("web")]), intentOf([]));
  assertEquals(
    changes?.map(({ op, kind, key, before, after }) => [op, kind, key, before?.address, after]),
    [
      ["delete", "endpoint", "t/blue/web", "10.0.0.1", undefined],
    ],
  );
});

async function run(answer: PlanAnswer, options: Partial<CommonOptions>) {
  const asked: IntentRequest[] = [];
  const target = {
    plan: (request: IntentRequest) => {
      asked.push(request);
      return Promise.resolve(answer);
    },
    history: () => Promise.resolve([]),
  };
  const shell = fakeShell([], target, { to: "1", ...options });
  return { code: await plan.run(shell), ...shell };
}

Deno.test("plan --detailed-exitcode is 0 without changes and 2 with some; without it always 0", async () => {
  const some = preview(intentOf([]), intentOf([endpoint("web")]));
  const none = preview(intentOf([]), intentOf([]));
  assertEquals((await run(some, { detailedExitcode: true })).code, 2);
  assertEquals((await run(some, { detailedExitcode: true, format: "json" })).code, 2);
  assertEquals((await run(none, { detailedExitcode: true })).code, 0);
  assertEquals((await run(some, {})).code, 0);
  const { stdout, stderr } = await run(none, {});
  assertEquals([stdout, stderr], [[], ["nothing to change"]]);
});

Deno.test("plan of an agent of an older version is a list", () => {
  const { operations, warnings } = preview(intentOf([]), intentOf([endpoint("web")]));
  assertEquals(planTree(output, { operations, warnings })[0], "+ endpoint t/blue/web");
});
