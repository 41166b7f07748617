// A fault at every external call of a CNI runtime's ADD and DEL.

import { CNI_CODES } from "../../lib/cni/cni_types.ts";
import { LabCniRuntime } from "../lab/cni_runtime.ts";
import { faultSteps } from "../lab/fault_steps.ts";
import { FILE } from "../lab/host.ts";

const COMMANDS = { setup: "ADD", teardown: "DEL" } as const;

faultSteps("CNI", {
  isRepeatable: false,
  scopes: { setup: "cni-add", teardown: "cni-del" },
  call: async ({ agent: { socket } }, verb, pod, isOnce = false) => {
    // The CNI face by itself: its one answer, not what a repetition makes of it.
    const env = isOnce ? { K8CONTIVNET_SETUP_SECONDS: "0.1", K8CONTIVNET_DOOR: "none" } : {};
    const runtime = new LabCniRuntime({ file: FILE, socket, env });
    const { code, err, json } = await runtime.call(COMMANDS[verb], { type: "k8contivnet" }, {
      pod,
    });
    if (code === 0) return { code: 0, out: "", err };
    return { code: json.code === CNI_CODES.tryAgain ? 5 : code, out: "", err: json.msg ?? err };
  },
});
