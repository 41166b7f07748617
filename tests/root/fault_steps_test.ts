// A fault at every external call of a kubelet's setup and teardown.

import { type Face, faultSteps } from "../lab/fault_steps.ts";

// The exec face by itself: its one answer, not what a repetition makes of it.
const ONCE = { K8CONTIVNET_SETUP_SECONDS: "0.1", K8CONTIVNET_DOOR: "none" };

const EXEC: Face = {
  isRepeatable: true,
  scopes: { setup: "setup", teardown: "teardown" },
  call: ({ agent }, verb, { namespace, name, id }, isOnce = false) =>
    agent.callWith(isOnce ? ONCE : {}, verb, namespace, name, id),
};

faultSteps("exec", EXEC);
faultSteps("exec, warm ports", { ...EXEC, isWarm: true });
