// The error code of an ADD whose policies cannot be enforced: pods are never connected without theirs.

import { CNI_CODES, CniError } from "../../cni/cni_types.ts";
import { faultFrom, isUnreachable } from "../../util/errors.ts";
import type { ApplyClaimDeps } from "../pods/apply_claim.ts";

/** Returns `policies`, whose failures have a code of their own, but for those that may pass by themselves. */
export function withPolicyCode(policies: ApplyClaimDeps["policies"]): ApplyClaimDeps["policies"] {
  return {
    ensureFor: async (tags) => {
      try {
        await policies.ensureFor(tags);
      } catch (error) {
        if (isUnreachable(error)) throw error;
        throw new CniError(
          CNI_CODES.policyFailed,
          "the pod's policies cannot be enforced, so it is not connected",
          faultFrom(error).message,
        );
      }
    },
  };
}
