// The nine pods of a policy world as a real API server has them, with policies of all kinds; what becomes
// of them in an hour; and who may talk to whom by what the API server has now.

import type { NetworkPolicy } from "../../lib/policy/input.ts";
import { mayPass } from "../unit/policy/evaluator.ts";
import type { Kube } from "./kube.ts";
import { folderOf, listed, LISTS } from "./kube_lists.ts";
import { type Member, NAMESPACES, PODS, type PolicyWorld } from "./policy_world.ts";
import type { Question } from "./truth.ts";

const NUMBERS = { tcp: 6, udp: 17 };

const POLICIES: Readonly<Record<string, unknown>> = {
  "x/shut": {
    podSelector: { matchLabels: { pod: "a" } },
    ingress: [
      { from: [{ podSelector: { matchLabels: { pod: "b" } } }] },
      { from: [{ namespaceSelector: { matchLabels: { team: "red" } } }] },
    ],
  },
  "y/gone": { podSelector: { matchLabels: { pod: "a" } }, policyTypes: ["Ingress"] },
  "z/roles": {
    podSelector: { matchLabels: { pod: "c" } },
    ingress: [{
      from: [{ namespaceSelector: {}, podSelector: { matchLabels: { role: "app" } } }],
      ports: [{ port: "serve" }, { protocol: "UDP", port: 80, endPort: 81 }],
    }],
  },
};

/** Returns where a policy is that is named as `NAMESPACE/NAME`. */
export function policyPath(id: string): string {
  const [namespace = "", name] = id.split("/");
  return `${folderOf("policies", namespace)}/${name}`;
}

async function makePolicy(kube: Kube, id: string, spec: unknown): Promise<void> {
  const [namespace = "", name] = id.split("/");
  await kube.ask("POST", folderOf("policies", namespace), { metadata: { name }, spec });
}

/** Makes the nine pods' objects, on `node`, and their policies. */
export async function makeObjects(kube: Kube, node: string): Promise<void> {
  for (const namespace of NAMESPACES) {
    const metadata = { name: namespace, labels: { ns: namespace } };
    await kube.ask("POST", LISTS.namespaces, { metadata });
    for (const name of PODS) {
      await kube.pod(namespace, `${namespace}-${name}`, node, {
        labels: { pod: name, role: `${namespace}${name}` === "ya" ? "app" : "none" },
        ports: [{ name: "serve", containerPort: name === "a" ? 80 : 81 }],
      });
    }
  }
  for (const [id, spec] of Object.entries(POLICIES)) await makePolicy(kube, id, spec);
}

/** Opens ways and closes others: by labels of pods and of a namespace, and by policies. */
export async function changeObjects(kube: Kube): Promise<void> {
  const metadata = { labels: { team: "red" } };
  await kube.ask("PATCH", `${LISTS.namespaces}/z`, { metadata });
  await kube.label("y", "y-a", { role: "none" });
  await kube.label("y", "y-b", { role: "app" });
  await kube.ask("DELETE", policyPath("y/gone"));
  await makePolicy(kube, "y/new", {
    podSelector: { matchLabels: { pod: "b" } },
    ingress: [{ from: [{ podSelector: {} }] }],
  });
}

/** Returns what fresh lists say of the nine's questions. */
export async function truthOf(
  kube: Kube,
  world: PolicyWorld,
): Promise<(question: Question) => boolean> {
  const [pods, namespaces, policies] = [
    await listed(kube, "pods"),
    await listed(kube, "namespaces"),
    await listed(kube, "policies"),
  ];
  const labelsOf = (id: string) => {
    const pod = pods.find(({ metadata: { namespace = "", name } }) =>
      `${namespace}/${name.slice(2)}` === id && NAMESPACES.includes(namespace)
    );
    return pod?.metadata.labels ?? {};
  };
  const endpoints = world.members.map(({ endpoint }) => ({
    ...endpoint,
    labels: labelsOf(endpoint.id),
  }));
  const all = {
    endpoints,
    tenants: [],
    namespaces: namespaces.map(({ metadata: { name, labels = {} } }) => ({ name, labels })),
    policies: policies.map(({ metadata: { namespace = "", name }, spec }) =>
      ({ ...spec, namespace, name }) as unknown as NetworkPolicy
    ),
  };
  return (question) => {
    const [from, to] = [question.from, question.to].map(({ id }) =>
      endpoints.find((one) => one.id === id)!
    );
    return mayPass(all, {
      ...{ from: from!, to: to!, fromIp: from!.ip, toIp: to!.ip },
      ...{ protocol: NUMBERS[question.protocol], fromPort: 40_000, toPort: question.port },
    });
  };
}

/** Returns the pod of that id, as `x/a`. */
export function memberOf(world: PolicyWorld, id: string): Member {
  const member = world.members.find(({ endpoint }) => endpoint.id === id);
  if (!member) throw new Error(`nobody is ${id}`);
  return member;
}
