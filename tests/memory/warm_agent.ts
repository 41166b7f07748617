// A whole agent in memory that gives its pods warm ports.

import type { PodRequest } from "../../lib/agent/api/pod_requests.ts";
import { type MemoryAgent, type MemoryHost, startMemoryAgent, startPod } from "./memory_agent.ts";
import type { MemoryStore } from "./memory_store.ts";

export const WARM = { hasWarmPorts: true } as const;
export const ENDPOINTS = ["web", "db", "cache"].map((Container) => ({ Container }));
export const NETWORK = {
  ...{ Name: "n", Encap: "vlan", PktTag: 11, SubnetCIDR: "10.9.0.0/24", DefaultGw: "10.9.0.254" },
  Endpoints: ENDPOINTS,
};

/** An agent whose pool was filled after its first pod, `web`. */
export async function startFilled(
  parts: { readonly host?: MemoryHost; readonly store?: MemoryStore } = {},
): Promise<MemoryAgent & { readonly first: PodRequest }> {
  const agent = await startMemoryAgent({ ...WARM, ...parts });
  await agent.apply([NETWORK]);
  await agent.agent.loops.reconcile.reconcileOnce();
  const first = startPod(agent.host, "web");
  await agent.setUp(first);
  await agent.agent.loops.warmPool.fill();
  return { ...agent, first };
}

/** Returns the name of the warm port of a pod; undefined if it has none. */
export function portOf(agent: MemoryAgent, pod: PodRequest): string | undefined {
  return agent.attachments().find((one) => one.sandbox === pod.sandbox)?.port;
}

/** Reconciles once; returns how many steps failed. */
export function reconcileOnce(agent: MemoryAgent): Promise<number> {
  return agent.agent.loops.reconcile.reconcileOnce();
}
