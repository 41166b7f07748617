// A fault at every external call of a CNI runtime's ADD and DEL.

import { CNI_CODES } from "../../lib/cni/cni_types.ts";
import { LabCniRuntime } from "../lab/cni_runtime.ts";
import { faultSteps } from "../lab/fault_steps.ts";
import { FILE } from "../lab/host.ts";

const COMMANDS = { setup: "ADD", teardown: "DEL" } as const;

for (const ports of ["plain", "warm"] as const) {
  faultSteps(`CNI, ${ports} ports`, {
    isRepeatable: false,
    isWarm: ports === "warm",
    scopes: { setup: "cni-add", teardown: "cni-del" },
    call: async ({ agent: { socket } }, verb, pod, isOnce = false) => {
      // The CNI face by itself: its one answer, not what a repetition makes of it.
      const env = isOnce ? { K8CONTIVNET_SETUP_SECONDS: "0.1", K8CONTIVNET_DOOR: "none" } : {};
      const runtime = new LabCniRuntime({ file: FILE, socket, env });
      const plugin = { type: "k8contivnet", ports };
      const { code, err, json } = await runtime.call(COMMANDS[verb], plugin, { pod });
      if (code === 0) return { code: 0, out: "", err };
      return { code: json.code === CNI_CODES.tryAgain ? 5 : code, out: "", err: json.msg ?? err };
    },
  });
}
