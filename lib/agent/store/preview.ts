// What an apply would change, as POST /v1/plan answers: the plan's text, its changes as data, and what they mean for
// running pods. Pure.

import { changesOf } from "../../intent/intent_changes.ts";
import { type ImpactFacts, planImpact, shortImpact } from "../../intent/plan_impact.ts";
import type { Documents } from "../../intent/records.ts";
import { Fault } from "../../util/errors.ts";
import type { IntentRequest, PlanAnswer } from "../api/intent_requests.ts";
import { planRequest } from "./apply.ts";
import { changeItem } from "./revision_history.ts";

/** Returns the answer for a request that is only planned. Faults: as planRequest(). */
export function previewRequest(
  documents: Documents,
  request: IntentRequest,
  known: ImpactFacts = {},
): PlanAnswer {
  const { plan, answer: { operations, warnings }, refusal } = planEvenIfRefused(documents, request);
  const changes = changesOf(documents, plan);
  return {
    operations,
    warnings: [
      ...refusal === undefined ? [] : [`rollback will be refused: ${refusal}`],
      ...warnings,
    ],
    ...shortImpact(documents, changes),
    changes: changes.map(changeItem),
    hosts: planImpact(documents, changes, known),
  };
}

/** What a rollback would cut off is shown, too, though it is refused without `force`. */
function planEvenIfRefused(documents: Documents, request: IntentRequest) {
  try {
    return { ...planRequest(documents, request), refusal: undefined };
  } catch (error) {
    const isForceable = request.mode === "rollback" && !request.force &&
      error instanceof Fault && error.code === "conflict";
    if (!isForceable) throw error;
    try {
      return { ...planRequest(documents, { ...request, force: true }), refusal: error.message };
    } catch {
      // What --force does not help against is the better answer.
      throw error;
    }
  }
}
