// What tests of pods without an endpoint of their own share: an intent with a default network, and looks
// at how full it is.

import type { PoolUse } from "../../lib/intent/audit.ts";
import { tenantWith } from "../fixtures/tenant.ts";
import type { LabAgent } from "./agent.ts";

/** Returns an intent of tenant `t` with VLANs, whose networks are `networks`. */
export function tenantOf(networks: readonly object[], more: object = {}): unknown {
  return {
    Tenants: [tenantWith({
      ...more,
      Networks: networks,
    })],
  };
}

/** Returns the default network `blue`. */
export function blue(more: object = {}): object {
  return { Name: "blue", Default: true, ...more };
}

/** Returns how full the pool of network `t/blue` is. */
export async function poolOf(agent: LabAgent, network = "t/blue"): Promise<PoolUse> {
  const { code, out, err } = await agent.call("ipam", "show", network, "-o", "json");
  if (code !== 0) throw new Error(`ipam show ended with ${code}: ${err}`);
  return JSON.parse(out)[0];
}

/** Throws where records and claims differ. */
export async function assertAudit(agent: LabAgent): Promise<void> {
  const { code, out, err } = await agent.call("ipam", "check");
  if (code !== 0) throw new Error(`ipam check ended with ${code}: ${err}\n${out}`);
}

/** Applies an intent on the agent's host; returns how that ended. */
export async function applyOn(agent: LabAgent, intent: unknown, ...flags: string[]) {
  const file = await Deno.makeTempFile({ suffix: ".json" });
  try {
    await Deno.writeTextFile(file, JSON.stringify(intent));
    return await agent.call("apply", "-f", file, ...flags);
  } finally {
    await Deno.remove(file);
  }
}
