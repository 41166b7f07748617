// Three namespaces of three pods, that all talk: what a truth table is asked of. Pods may be on several
// hosts; policies come from an intent, or as Kubernetes objects over the agents' sockets.

import { askAgent } from "../../lib/agent/client.ts";
import { tenantWith } from "../fixtures/tenant.ts";
import { askAll, type Cell, type Question } from "./truth.ts";
import type { KubeNamespace, KubePod, NetworkPolicy } from "../../lib/policy/input.ts";
import type { LabAgent } from "./agent.ts";
import type { Pod } from "./pod.ts";
import { Talker } from "./talk.ts";
import type { TestEndpoint } from "../unit/policy/evaluator.ts";

/** Where a pod can be put. */
export interface Place {
  readonly agent: LabAgent;
  pod(name: string, namespace?: string): Promise<Pod>;
}

export const NAMESPACES = ["x", "y", "z"];
export const PODS = ["a", "b", "c"];
export const PORTS = { tcp: [80, 81], udp: [80, 81] };

/** A pod of the table. */
export interface Member {
  readonly endpoint: TestEndpoint;
  readonly talker: Talker;
  readonly place: Place;
}

/** Nine pods that talk. */
export class PolicyWorld implements AsyncDisposable {
  readonly members: readonly Member[];
  readonly places: readonly Place[];
  readonly #stack: AsyncDisposableStack;

  private constructor(
    members: readonly Member[],
    places: readonly Place[],
    stack: AsyncDisposableStack,
  ) {
    this.members = members;
    this.places = places;
    this.#stack = stack;
  }

  /** Sets the nine up, one place after the other in turn. */
  static async start(places: readonly Place[], groupOf: (id: string) => string | undefined) {
    await using stack = new AsyncDisposableStack();
    const names = NAMESPACES.flatMap((namespace) => PODS.map((name) => ({ namespace, name })));
    const members = await Promise.all(names.map(async ({ namespace, name }, n) => {
      const place = places[n % places.length]!;
      const pod = await place.pod(`${namespace}-${name}`, namespace);
      await place.agent.setup(pod);
      const id = `${namespace}/${name}`;
      const group = groupOf(id);
      const endpoint: TestEndpoint = {
        id,
        tenant: "t",
        ip: await place.agent.addressOf(pod),
        namespace,
        labels: { pod: name },
        ports: [{ name: "serve", protocol: 6, port: name === "a" ? 80 : 81 }],
        ...group === undefined ? {} : { group },
      };
      return { endpoint, place, talker: stack.use(await Talker.start(pod, PORTS)) };
    }));
    return new PolicyWorld(members, places, stack.move());
  }

  /** Passes to all agents what Kubernetes says; returns when it is in force. */
  async setPolicies(policies: readonly NetworkPolicy[]): Promise<void> {
    const body = { namespaces: this.namespaces, pods: this.#pods(), policies };
    await Promise.all(
      this.places.map(({ agent }) =>
        askAgent({ socket: agent.socket, path: "/v1/kubernetes", body })
      ),
    );
  }

  get namespaces(): KubeNamespace[] {
    return NAMESPACES.map((name) => ({ name, labels: { ns: name } }));
  }

  /** Asks every pod for every other one, by every port; returns what differs from `expected`. */
  async differences(expected: (question: Question) => boolean): Promise<Cell[]> {
    const cells = await askAll(this.members, PORTS, expected);
    return cells.filter(({ isAnswered, isExpected }) => isAnswered !== isExpected);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  #pods(): KubePod[] {
    return this.members.map(({ endpoint, talker }) => ({
      namespace: endpoint.namespace,
      name: talker.pod.name,
      uid: talker.pod.id,
      labels: endpoint.labels,
      addresses: [endpoint.ip],
      ports: endpoint.ports.map(({ name, port }) => ({ name, protocol: "TCP", port })),
    }));
  }
}

/** The intent that has the nine pods' endpoints. */
export function worldIntent(
  { groups = [], policies = [], groupOf = () => undefined, encap = "vlan", hosts = [] }: {
    readonly groups?: readonly unknown[];
    readonly policies?: readonly unknown[];
    readonly groupOf?: (id: string) => string | undefined;
    readonly encap?: string;
    readonly hosts?: readonly unknown[];
  } = {},
): unknown {
  const endpoints = NAMESPACES.flatMap((namespace) =>
    PODS.map((name) => {
      const group = groupOf(`${namespace}/${name}`);
      return {
        Container: `${namespace}-${name}`,
        Namespace: namespace,
        ...group === undefined ? {} : { Group: group },
      };
    })
  );
  return {
    Hosts: hosts,
    Tenants: [tenantWith({
      DefaultNetType: encap,
      Vxlans: "10001-10100",
      Namespaces: NAMESPACES,
      Groups: groups,
      Policies: policies,
      Networks: [{ Name: "blue", Endpoints: endpoints }],
    })],
  };
}
