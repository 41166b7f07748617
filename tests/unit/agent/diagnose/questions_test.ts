// When a question is answered from the whole store, of which an agent of many holds a part.

import { assertEquals, assertRejects } from "@std/assert";
import { createQuestions, type QuestionDeps } from "../../../../lib/agent/diagnose/questions.ts";
import { noPodMetadata } from "../../../../lib/agent/pods/pod_metadata.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";

/** Asks host1, of whose network t/n both pods are on host2; also returns how often the whole store was read. */
async function askApart(question: "trace" | "find", name: string) {
  const shared = { store: new MemoryStore(), isShared: true };
  using one = await startMemoryAgent(shared);
  await one.apply([{ Name: "n", Endpoints: [{ Container: "web" }, { Container: "db" }] }]);
  using two = await startMemoryAgent({ ...shared, label: "host2" });
  for (const pod of ["web", "db"]) await two.setUp(startPod(two.host, pod));
  await one.agent.store.catchUp();
  const { documents } = one.agent.store;
  let readings = 0;
  const deps: QuestionDeps = {
    ...{ host: "host1", podMetadata: noPodMetadata, runtimes: one.host.runtimes },
    store: {
      ...{ documents, isWhole: false },
      need: () => Promise.resolve({ fault: undefined, [Symbol.dispose]: () => {} }),
      withWhole: (use) => {
        readings++;
        return use(one.agent.store);
      },
    },
    policies: one.agent.policies,
    switch: { ports: () => Promise.resolve([]) },
    fabric: one.agent.fabric,
    tags: { tagOf: () => undefined },
    unmatched: { list: () => [] },
    reach: { model: () => undefined },
    drops: { watchDrops: () => ({ [Symbol.dispose]: () => {} }), wallMs: () => 0 },
  };
  const { tracePacket, findPod } = createQuestions(deps);
  const packet = { source: name, destination: "db", protocol: "tcp", port: 80 } as const;
  const fault = await assertRejects(
    (): Promise<unknown> =>
      question === "trace" ? tracePacket(packet) : findPod({ namespace: "default", name }),
    Fault,
  );
  return { message: fault.message, readings };
}

Deno.test("a pod that is known to be elsewhere is not looked for in the whole store", async () => {
  assertEquals(await askApart("trace", "web"), {
    message: "this host's switch has no part in it: the pods are on host2; " +
      "run k8contivnet trace on host2, which decides what may arrive",
    readings: 0,
  });
  assertEquals(await askApart("find", "web"), {
    message:
      "pod default/web is on host host2: this is host host1, and only a pod's own host can " +
      "enter its network; run the command there",
    readings: 0,
  });
});

Deno.test("a pod that is not known is looked for in the whole store", async () => {
  assertEquals((await askApart("trace", "nobody")).readings, 1);
  assertEquals((await askApart("find", "nobody")).readings, 1);
});
