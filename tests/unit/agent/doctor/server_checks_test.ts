// Checks of what hosts share: etcd, the API server, clocks, the other hosts.

import { assertEquals } from "@std/assert";
import { Fault } from "../../../../lib/util/errors.ts";
import { type Broken, findings, type Healthy, testBroken, testHealthy } from "./broken_machine.ts";
import { changeSettings, NOW, type Parts, presence } from "./fake_machine.ts";

const DAY_MS = 86_400_000;

const withEtcd = (parts: Parts) => changeSettings(parts, { store: "etcds://h:2379" });
const withKube = (parts: Parts) =>
  changeSettings(parts, { kube: { kubeconfig: "/etc/agent.kubeconfig", isInsecure: false } });

const BROKEN: readonly Broken[] = [
  [
    "hosts of the intent without an agent, or removed",
    (p) => {
      withEtcd(p);
      p.database.put({
        "hosts/h1": { schema: 1, name: "h1", intf: "eth2" },
        "hosts/h2": { schema: 1, name: "h2", intf: "eth2" },
        "hosts/h3": { schema: 1, name: "h3", intf: "eth2" },
        "agents/h2": presence("h2", { lost: true }),
      });
    },
    "warning host-without-agent",
    /^hosts of the intent without an agent: h2, h3; start an agent with --host-label h2, or delete/,
  ],
  [
    "a clock that was set back",
    (p) =>
      p.database.put({ "agents/h1": presence("h1", { at: new Date(NOW + 90_000).toISOString() }) }),
    "failed clock-skew",
    /this host's clock is 90 s behind: .*h1/,
  ],
  [
    "an etcd that refuses writes",
    (p) => {
      withEtcd(p);
      p.etcd = { ...p.etcd, alarms: ["NOSPACE"] };
    },
    "failed etcd-alarm",
    /no space left.*; etcdctl compact and defrag.*alarm disarm/,
  ],
  [
    "an etcd with a dead member",
    (p) => {
      withEtcd(p);
      const fault = new Fault("unavailable", "etcd", { why: "i:2379: refused", fix: "start it" });
      p.etcd = { ...p.etcd, members: [...p.etcd.members, { endpoint: "i:2379", fault }] };
    },
    "warning etcd-members",
    /1 of 2 members .*i:2379: refused; start it/,
  ],
  [
    "an etcd without a leader",
    (p) => {
      withEtcd(p);
      p.etcd = { ...p.etcd, members: [{ endpoint: "h:2379", hasLeader: false }] };
    },
    "failed etcd-members",
    /no leader.*a majority of them/,
  ],
  [
    "an etcd whose certificate has expired",
    (p) => {
      withEtcd(p);
      p.etcd = { ...p.etcd, isSecure: true };
      p.certificateEnds["h:2379"] = new Date(NOW - DAY_MS);
    },
    "failed etcd-server-cert",
    /etcd at h:2379 expired on 2025-12-31; renew/,
  ],
  [
    "an etcd whose certificate ends soon",
    (p) => {
      withEtcd(p);
      p.etcd = { ...p.etcd, isSecure: true };
      p.certificateEnds["h:2379"] = new Date(NOW + 3 * DAY_MS);
    },
    "warning etcd-server-cert",
    /expires in 3 days/,
  ],
  [
    "an etcd whose certificate ends within a day",
    (p) => {
      withEtcd(p);
      p.etcd = { ...p.etcd, isSecure: true };
      p.certificateEnds["h:2379"] = new Date(NOW + DAY_MS - 1);
    },
    "warning etcd-server-cert",
    /expires in less than a day;/,
  ],
  [
    "a kubeconfig that is missing",
    (p) => {
      withKube(p);
      p.machine = {
        examineAccess: () => Promise.reject(new Fault("not_found", "kubeconfig /x is missing")),
      };
    },
    "failed api-server",
    /\/x is missing; see \/etc\/agent.kubeconfig/,
  ],
  [
    "an API server that is unreachable",
    (p) => {
      withKube(p);
      p.access = { ...p.access, fault: new Fault("unavailable", "API server is unreachable") };
    },
    "failed api-server",
    /unreachable; see whether it runs/,
  ],
  [
    "rights that are missing",
    (p) => {
      withKube(p);
      p.access = { ...p.access, missing: ["list pods", "patch pods/status"] };
    },
    "failed api-rights",
    /not permit us to list pods, patch pods\/status; k8contivnet kube rbac \| kubectl apply/,
  ],
  [
    "a clock that is behind the API server's",
    (p) => {
      withKube(p);
      p.access = { ...p.access, clockMs: NOW + 60_000 };
    },
    "warning api-clock",
    /60 s behind the API server's/,
  ],
  [
    "an API server whose certificate has expired",
    (p) => {
      withKube(p);
      p.certificateEnds["api:6443"] = new Date(NOW - DAY_MS);
    },
    "failed api-server-cert",
    /API server .*expired on 2025-12-31/,
  ],
  [
    "a client certificate that is none",
    (p) => {
      withKube(p);
      p.access = { ...p.access, certificate: "no certificate" };
    },
    "failed api-client-cert",
    /see the certificate in \/etc\/agent.kubeconfig/,
  ],
];

testBroken(BROKEN);

/** A host before the first start of its agent: the store's folder does not exist. */
function beforeStart(parts: Parts, store: string): void {
  parts.files["/state"] = undefined;
  changeSettings(parts, { store });
  const why = "its folder does not exist";
  parts.machine = {
    openStore: () => Promise.reject(new Fault("unavailable", "store cannot be used", { why })),
  };
}

for (
  const [store, state, message] of [
    [
      "sqlite:/state/store.db",
      "ok",
      "store /state/store.db does not exist yet: the agent creates it at its start",
    ],
    [
      "sqlite:///state/store.db",
      "ok",
      "store /state/store.db does not exist yet: the agent creates it at its start",
    ],
    [
      "sqlite:/elsewhere/store.db",
      "failed",
      "store cannot be used: its folder does not exist",
    ],
    ["etcd://h:2379", "failed", "store cannot be used: its folder does not exist"],
  ] as const
) {
  Deno.test(`before the first start of the agent, store ${store} is ${state}`, async () => {
    const item = (await findings((p) => beforeStart(p, store))).find(({ id }) => id === "store");
    assertEquals([item?.state, item?.message], [state, message]);
  });
}

Deno.test("a store that is broken in a state folder that exists has failed", async () => {
  const items = await findings((p) => {
    beforeStart(p, "sqlite:/state/store.db");
    p.files["/state"] = { kind: "folder", size: 0, mode: 0o700, uid: 0 };
  });
  assertEquals(items.find(({ id }) => id === "store")?.state, "failed");
});

const HEALTHY: readonly Healthy[] = [
  ["an etcd with TLS", (p) => {
    withEtcd(p);
    p.etcd = { ...p.etcd, isSecure: true };
    p.certificateEnds["h:2379"] = new Date(NOW + 100 * DAY_MS);
  }],
  ["an API server", (p) => {
    withKube(p);
    p.certificateEnds["api:6443"] = new Date(NOW + 100 * DAY_MS);
  }],
  ["an agent in a pod, seen from outside of it", (p) => {
    changeSettings(p, { kube: { kubeconfig: "in-cluster", isInsecure: false } });
    p.machine = {
      examineAccess: () => Promise.reject(new Fault("usage", "not running in a Kubernetes pod")),
    };
  }],
];

testHealthy(HEALTHY);
