// What an apply would change, as POST /v1/plan answers: the plan's text, its changes as data, and what they mean for
// running pods. Pure.

import { changesOf } from "../../intent/intent_changes.ts";
import { planImpact, type WaitingPod } from "../../intent/plan_impact.ts";
import type { Documents } from "../../intent/records.ts";
import type { IntentRequest, PlanAnswer } from "../api.ts";
import { planRequest } from "./apply.ts";
import { changeItem } from "./revision_history.ts";

/** Returns the answer for a request that is only planned; `waiting` are pods that run without a network. */
export function previewRequest(
  documents: Documents,
  request: IntentRequest,
  waiting: readonly WaitingPod[] = [],
): PlanAnswer {
  const { plan, answer } = planRequest(documents, request);
  const changes = changesOf(documents, plan);
  return {
    ...answer,
    changes: changes.map(changeItem),
    hosts: planImpact(documents, changes, waiting),
  };
}
