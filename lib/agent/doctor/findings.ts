// How checks say what they find: one line each, with the way out where something is wrong.

import { Fault, faultFrom } from "../../util/errors.ts";
import type { AgentSettings, CheckItem, HealthAnswer } from "../api/agent_health.ts";
import type { FabricRecords } from "./fabric_records.ts";
import type { Machine } from "./machine.ts";

/** What all checks work with. */
export interface CheckContext {
  readonly machine: Machine;
  readonly settings: AgentSettings;
  readonly socket: string;
  /** The agent's answer, or why there is none; a check that needs neither does not wait for it. */
  readonly health: Promise<HealthAnswer | Fault>;
  /** Returns what hosts share, of the store; read once. Never rejects. */
  readonly fabricRecords: () => Promise<FabricRecords>;
  /** Version of this file. */
  readonly version: string;
}

/** The checks of one group. Never rejects for what it checks; a rejection is a finding of its own. */
export type GroupCheck = (context: CheckContext) => Promise<CheckItem[]>;

/** Makes the findings of one group. */
export interface Findings {
  readonly ok: (id: string, message: string) => CheckItem;
  readonly warning: (id: string, message: string, fix: string) => CheckItem;
  readonly failed: (id: string, message: string, fix: string) => CheckItem;
  /** Returns a finding for an error: its own words and way out, else `fix`. */
  readonly fault: (id: string, error: unknown, fix: string) => CheckItem;
}

/** Returns the findings of `group`. */
export function findingsOf(group: string): Findings {
  const failed: Findings["failed"] = (id, message, fix) => ({
    id,
    group,
    state: "failed",
    message,
    fix,
  });
  return {
    ok: (id, message) => ({ id, group, state: "ok", message }),
    warning: (id, message, fix) => ({ id, group, state: "warning", message, fix }),
    failed,
    fault: (id, error, fix) => {
      const { what, why, fix: own } = faultFrom(error);
      return failed(id, why ? `${what}: ${why}` : what, own ?? fix);
    },
  };
}

/** Reports whether the agent has answered. */
export function isAlive(health: HealthAnswer | Fault): health is HealthAnswer {
  return !(health instanceof Fault);
}

/** Returns the path of `unix:PATH`. */
export function socketPath(address: string): string {
  return address.replace(/^unix:(\/\/)?/, "");
}
