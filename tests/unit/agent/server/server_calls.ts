// Calls of the agent's HTTP interface without a socket.

import type { HealthAnswer } from "../../../../lib/agent/api/agent_health.ts";
import { answer, type ServerDeps } from "../../../../lib/agent/server/server.ts";
import { tenantWith } from "../../../fixtures/tenant.ts";
import { type MemoryAgent, startMemoryAgent } from "../../../memory/memory_agent.ts";

/** A network with one endpoint. */
export const WEB = { Name: "n", Endpoints: [{ Container: "web" }] };

/** What `health` of depsOf() answers. */
export const HEALTH = { version: "1", host: "host1" } as HealthAnswer;

/** Returns what the server uses of an agent in memory, with changes. */
export function depsOf({ agent }: MemoryAgent, changes: Partial<ServerDeps> = {}): ServerDeps {
  return { ...agent.server, health: () => HEALTH, ...changes };
}

/** Asks the server, a POST where there is a body; returns the status and the answer's JSON. */
export async function ask(deps: ServerDeps, path: string, body?: unknown) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const init = body === undefined ? {} : { method: "POST", body: text };
  const response = await answer(deps, new Request(`http://agent${path}`, init));
  return { status: response.status, body: await response.json() };
}

/** Starts an agent that knows network t/n with endpoint web. */
export async function startAgent(network: object = WEB): Promise<MemoryAgent> {
  const agent = await startMemoryAgent();
  await agent.apply([network]);
  await agent.agent.loops.reconcile.reconcileOnce();
  return agent;
}

/** Returns an intent of tenant t with these networks, and with other fields of the tenant. */
export const intentText = (networks: readonly object[], more: object = {}) =>
  JSON.stringify({ Tenants: [{ ...tenantWith({ Networks: networks }), ...more }] });
