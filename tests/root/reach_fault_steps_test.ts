// A fault at every external call of a set-up and a teardown in a network with a distributed gateway. Its subnet is
// another network's in the host's stack, so that its pods have aliases: most is done for those.

import { faultSteps } from "../lab/fault_steps.ts";
import { tenantWith } from "../fixtures/tenant.ts";

const NETWORK = {
  ...{ Name: "blue", SubnetCIDR: "10.9.0.0/16", DefaultGw: "10.9.255.254" },
  ...{ GatewayType: "distributed", Reach: ["host"] },
};

faultSteps("distributed gateway", {
  intent: {
    Tenants: [
      {
        ...tenantWith({ Networks: [NETWORK] }),
        Name: "owner",
        Vlans: "300-310",
        Namespaces: ["o"],
      },
      tenantWith({
        Networks: [{ ...NETWORK, Endpoints: [{ Container: "pod0" }, { Container: "pod1" }] }],
      }),
    ],
  },
  isServed: async (pod) => await pod.pings("10.9.255.254") && await pod.pings("100.65.0.1"),
  isRepeatable: true,
  scopes: { setup: "setup", teardown: "teardown" },
  call: ({ agent }, verb, { namespace, name, id }, isOnce = false) => {
    const env = isOnce ? { K8CONTIVNET_SETUP_SECONDS: "0.1", K8CONTIVNET_DOOR: "none" } : {};
    return agent.callWith(env, verb, namespace, name, id);
  },
});
