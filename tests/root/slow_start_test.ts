// An agent that starts with a large store: it answers from its first moment, and says what it waits for.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Fault } from "../../lib/util/errors.ts";
import { tenantWith } from "../fixtures/tenant.ts";
import type { LabAgent } from "../lab/agent.ts";
import { startHost } from "../lab/host.ts";
import { waitFor } from "../lab/wait.ts";

const ENDPOINTS = 20_000;
const NETWORKS = 100;

const intent = {
  Tenants: [
    tenantWith({
      SubnetPool: "10.0.0.0/8",
      Networks: Array.from({ length: NETWORKS }, (_, n) => ({
        Name: `n${n}`,
        Endpoints: Array.from({ length: ENDPOINTS / NETWORKS }, (_, e) => ({
          Container: `n${n}p${e}`,
        })),
      })),
    }),
  ],
};

/** Asks until the agent is ready; returns what it said it waits for, each once. */
async function saidUntilReady(agent: LabAgent): Promise<string[]> {
  const said = new Set<string>();
  await waitFor("the agent to be ready", async () => {
    try {
      await agent.ask("health");
      return true;
    } catch (error) {
      assert(error instanceof Fault && error.code === "unavailable", String(error));
      said.add(error.message);
      return false;
    }
  }, { limitMs: 60_000, everyMs: 5 });
  return [...said];
}

/** Waits until the agent's socket is served. */
async function served(agent: LabAgent): Promise<void> {
  await waitFor("the socket to be served", async () => {
    return await agent.ask("health").then(() => true, (error) => /starting/.test(String(error)));
  }, { everyMs: 5 });
}

Deno.test("an agent that starts with 20,000 endpoints says what it waits for, and set-ups are to try again", async () => {
  await using host = await startHost({ Tenants: [] });
  const { agent } = host;
  const pod = await host.pod("n7p7");
  await agent.stop();
  await Deno.writeTextFile(`${host.dir}/large.json`, JSON.stringify(intent));

  agent.spawn("--intent", `${host.dir}/large.json`);
  await served(agent);
  const fault = await assertRejects(() => agent.setupOnce(pod), Fault, "agent is starting: ");
  assertEquals(fault.code, "unavailable");
  // A kubelet's set-up tries again by itself, and is done when the agent is ready.
  const [said, setup] = await Promise.all([saidUntilReady(agent), agent.verb("setup", pod)]);
  assertEquals(setup, { code: 0, out: "", err: "" });
  // A request while the intent is planned, which blocks the agent, is answered before or after.
  assertMatch(said.join("\n"), /agent is starting: .*; try again/);

  await agent.stop();
  agent.spawn();
  await served(agent);
  assertEquals(await agent.stop(), 0, "stopped while it reads the store");
  agent.spawn();
  const words = (await saidUntilReady(agent)).join("\n");
  assertMatch(words, /agent is starting: reading the store, [1-9]\d+ documents so far; try again/);
  assertMatch((await agent.verb("status", pod)).out, /"ip":"10\.\d+\.\d+\.\d+"/);
});
