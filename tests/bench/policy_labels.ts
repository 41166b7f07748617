// Measures the delay from a label change at a real API server to the first packet handled by the new rule,
// with 500 pods on one host and 20 policies. Traffic is allowed and denied in alternation.

import type { Host } from "../lab/host.ts";
import type { Kube } from "../lab/kube.ts";
import type { Pod } from "../lab/pod.ts";
import { epochNow, PacketWatch } from "./packet_watch.ts";
import { note, type Samples } from "./stats.ts";

const POLICIES = 20;
const ALL = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies";

/** Returns a network with an endpoint for each of `count` pods. */
export function labelsNetwork(count: number): unknown {
  return {
    Name: "many",
    Endpoints: Array.from({ length: count }, (_, n) => ({ Container: `pod${n}` })),
  };
}

const appOf = (n: number) => `app${n % POLICIES}`;
const select = (app: string) => ({ matchLabels: { app } });

/** Pods on one host and their labels. Each app accepts traffic from the next one: pod0 (app0) from app1. */
export class Labels {
  readonly #kube: Kube;
  readonly #packets: PacketWatch;
  #isAllowed = true;

  private constructor(kube: Kube, packets: PacketWatch) {
    this.#kube = kube;
    this.#packets = packets;
  }

  /** Sets up the pods, creates the policies, and starts datagrams from pod1 to pod0. */
  static async start(
    { kube, host, count }: { readonly kube: Kube; readonly host: Host; readonly count: number },
    stack: AsyncDisposableStack,
  ): Promise<Labels> {
    const pods: Pod[] = [];
    for (let at = 0; at < count; at += 16) {
      pods.push(
        ...await Promise.all(
          Array.from({ length: Math.min(16, count - at) }, async (_, n) => {
            const name = `pod${at + n}`;
            await kube.pod("default", name, "host1", { labels: { app: appOf(at + n) } });
            const pod = await host.pod(name);
            await host.agent.setupOnce(pod);
            return pod;
          }),
        ),
      );
    }
    const [receiver, sender] = pods as [Pod, Pod];
    const address = await host.agent.addressOf(receiver);
    const packets = await PacketWatch.start({ receiver, sender, address }, stack);
    const labels = new Labels(kube, packets);
    for (let n = 0; n < POLICIES; n++) {
      await kube.ask("POST", ALL, {
        metadata: { name: `p${n}` },
        spec: {
          podSelector: select(appOf(n)),
          ingress: [{ from: [{ podSelector: select(appOf(n + 1)) }] }],
        },
      });
    }
    for (let n = 0; n < 6; n++) await labels.change();
    return labels;
  }

  /** Changes the sender's label; returns the milliseconds to the packet since the request and since its answer. */
  async change(): Promise<{ readonly sinceRequest: number; readonly sinceAnswer: number }> {
    this.#isAllowed = !this.#isAllowed;
    const before = epochNow();
    await this.#kube.label("default", "pod1", { app: this.#isAllowed ? "app1" : "other" });
    const after = epochNow();
    const at = await this.#packets.next(this.#isAllowed ? "allowed" : "denied", before);
    return { sinceRequest: at - before, sinceAnswer: at - after };
  }

  /** Denies and allows the traffic once. */
  async round(samples: Samples): Promise<void> {
    for (const what of ["denied", "allowed"]) {
      const { sinceRequest, sinceAnswer } = await this.change();
      note(samples, "label change to packet, ms", sinceRequest);
      note(samples, `label change to packet (${what}), ms`, sinceRequest);
      note(samples, "API server's answer to packet, ms", sinceAnswer);
      note(samples, "label change at the API server alone, ms", sinceRequest - sinceAnswer);
    }
  }
}
