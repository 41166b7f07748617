// From a label that changes at a real API server to the first packet that the switch treats by the new
// rule, among 500 pods of one host under 20 policies. The way is opened and shut by turns.

import type { Host } from "../lab/host.ts";
import type { Kube } from "../lab/kube.ts";
import type { Pod } from "../lab/pod.ts";
import { note, type Samples } from "./stats.ts";

const POLICIES = 20;
const TICK = new URL("tick.ts", import.meta.url).pathname;
const LIMIT_MS = 10_000;
const ALL = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies";

/** Returns the network of that many pods, which are named in it. */
export function labelsNetwork(count: number): unknown {
  return {
    Name: "many",
    Endpoints: Array.from({ length: count }, (_, n) => ({ Container: `pod${n}` })),
  };
}

const appOf = (n: number) => `app${n % POLICIES}`;
const select = (app: string) => ({ matchLabels: { app } });

/** Pods of one host whose labels change. pod0 hears pods of app1, as each app hears the next one. */
export class Labels {
  readonly #kube: Kube;
  readonly #heard: AsyncIterator<string>;
  #isOpen = true;

  private constructor(kube: Kube, heard: AsyncIterator<string>) {
    this.#kube = kube;
    this.#heard = heard;
  }

  /** Sets the pods up, puts the policies in force, and lets pod1 speak to pod0. */
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
    const [hearing, speaking] = pods as [Pod, Pod];
    const hear = tick(stack, hearing, "hear");
    const labels = new Labels(kube, linesOf(hear));
    await labels.#next((line) => line === "ready");
    tick(stack, speaking, "send", await host.agent.addressOf(hearing));
    await labels.#next((line) => line.startsWith("open"));
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

  /** Changes the speaker's label; gives the milliseconds since it was asked for, and since the answer. */
  async change(): Promise<{ readonly asked: number; readonly answered: number }> {
    this.#isOpen = !this.#isOpen;
    const before = epochNow();
    await this.#kube.label("default", "pod1", { app: this.#isOpen ? "app1" : "other" });
    const after = epochNow();
    const kind = this.#isOpen ? "open" : "shut";
    const line = await this.#next((line) => {
      return line.startsWith(kind) && Number(line.slice(kind.length)) > before;
    });
    const at = Number(line.slice(kind.length));
    return { asked: at - before, answered: at - after };
  }

  /** Opens and shuts the way once. */
  async round(samples: Samples): Promise<void> {
    for (const what of ["shut", "open"]) {
      const { asked, answered } = await this.change();
      note(samples, "label to packet, ms", asked);
      note(samples, `label to packet (${what}), ms`, asked);
      note(samples, "label's answer to packet, ms", answered);
      note(samples, "label's change at the API server alone, ms", asked - answered);
    }
  }

  async #next(isIt: (line: string) => boolean): Promise<string> {
    const end = AbortSignal.timeout(LIMIT_MS);
    const late = new Promise<never>((_, reject) => {
      end.addEventListener("abort", () => reject(new Error("no packet shows the new rule")));
    });
    while (true) {
      const { value, done } = await Promise.race([this.#heard.next(), late]);
      if (done) throw new Error("the pod's program has ended");
      if (isIt(value)) return value;
    }
  }
}

const epochNow = () => performance.timeOrigin + performance.now();

function tick(stack: AsyncDisposableStack, pod: Pod, ...words: string[]): Deno.ChildProcess {
  const child = new Deno.Command("ip", {
    args: [
      ...["netns", "exec", pod.id, Deno.execPath(), "run", "--no-config", "--no-check"],
      ...["--cached-only", "--unstable-net", "--allow-net", TICK, ...words],
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  stack.defer(async () => {
    child.kill("SIGKILL");
    await child.status;
  });
  return child;
}

async function* linesOf(child: Deno.ChildProcess): AsyncGenerator<string> {
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
}
