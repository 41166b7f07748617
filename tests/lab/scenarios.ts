// The 23 scenarios of the original's system tests, by their numbers and names there.
// o, p, g are the networks orange, purple, green; c1 to c6 the containers myContainer1 to 6.

import { bindings, intents } from "../fixtures/intents.ts";
import {
  attached,
  bind,
  client,
  deltaOf,
  detached,
  gone,
  intentOf,
  type Networks,
  ping,
  post,
  refused,
  type Scenario,
  serve,
  setup,
  start,
  type Step,
} from "./scenarios/scenario.ts";

const ONE_NET_ONE_HOST = [serve("c1", 1), client("c2", 1, "ok", "orange-c1")];

const TWO_NETS_ONE_HOST = [
  ...ONE_NET_ONE_HOST,
  serve("c4", 1),
  client("c3", 1, "ok", "purple-c4"),
];

const TWO_NETS: Networks = { orange: ["c1@1", "c2@2"], purple: ["c3@1", "c4@2"] };

/** The pings with which every scenario on those two networks begins. */
const BOTH_MEET = [
  serve("c1", 1),
  client("c2", 2, "ok", "orange-c1"),
  serve("c3", 1),
  client("c4", 2, "ok", "purple-c3"),
];

const FOUR_ON_ONE_NET = [
  serve("c2", 1),
  serve("c4", 2),
  client("c3", 2, "ok", "orange-c2"),
  client("c1", 1, "ok", "orange-c2"),
  client("c3", 2, "ok", "orange-c4"),
  client("c1", 1, "ok", "orange-c4"),
];

/** Two servers on the first host, their clients on the second, in two networks. */
const CLIENTS_ACROSS = [client("c3", 2, "ok", "orange-c1"), client("c4", 2, "ok", "purple-c2")];
const TWO_ACROSS = [serve("c1", 1), serve("c2", 1), ...CLIENTS_ACROSS];

const SINGLE_HOST: readonly Omit<Scenario, "hosts">[] = [
  {
    number: 1,
    name: "SingleHost SingleVlan PingSuccess",
    fabric: "none",
    intent: intentOf("alone", { orange: ["c1@1", "c2@1"] }),
    steps: ONE_NET_ONE_HOST,
  },
  {
    number: 2,
    name: "SingleHost MultiVlan PingSuccess",
    fabric: "none",
    intent: intentOf("alone", { orange: ["c1@1", "c2@1"], purple: ["c3@1", "c4@1"] }),
    steps: TWO_NETS_ONE_HOST,
  },
  {
    number: 3,
    name: "SingleHost MultiVlan PingFailure",
    fabric: "none",
    intent: intentOf("alone", { orange: ["c1@1"], purple: ["c2@1"] }),
    steps: [serve("c1", 1), client("c2", 1, "fails", "orange-c1")],
  },
  {
    number: 4,
    name: "SingleHost OneHostMultipleNets",
    fabric: "vlan-switch",
    intent: intents.oneHostMultipleNets,
    steps: TWO_NETS_ONE_HOST,
  },
  {
    number: 5,
    name: "SingleHost OneHostVlan",
    fabric: "none",
    intent: intents.oneHostVlan,
    steps: ONE_NET_ONE_HOST,
  },
];

const TWO_HOSTS: readonly Omit<Scenario, "hosts">[] = [
  {
    number: 6,
    name: "TwoHosts SingleVlan PingSuccess",
    fabric: "vlan-switch",
    intent: intentOf("uplinks", { orange: ["c1@1", "c2@2"] }),
    steps: [serve("c1", 1), client("c2", 2, "ok", "orange-c1")],
  },
  {
    number: 7,
    name: "TwoHosts MultiVlan PingSuccess",
    fabric: "vlan-switch",
    intent: intentOf("uplinks", TWO_NETS),
    steps: [
      serve("c1", 1),
      client("c2", 2, "ok", "orange-c1"),
      serve("c4", 2),
      client("c3", 1, "ok", "purple-c4"),
    ],
  },
  {
    number: 8,
    name: "TwoHosts MultiVlan PingFailure",
    fabric: "vlan-switch",
    intent: intentOf("uplinks", { orange: ["c1@1"], purple: ["c2@2"] }),
    steps: [serve("c1", 1), client("c2", 2, "fails", "orange-c1")],
  },
  {
    number: 9,
    name: "TwoHosts MultiVxlan PingSuccess",
    fabric: "wire",
    intent: intentOf("vteps", TWO_NETS),
    steps: BOTH_MEET,
  },
  {
    number: 10,
    name: "TwoHosts MultiVxlan PingFailure",
    fabric: "wire",
    intent: intentOf("vteps", TWO_NETS),
    steps: [
      serve("c1", 1),
      client("c4", 2, "fails", "orange-c1"),
      refused("c3", 2),
      ping("c3", "fails", "orange-c1"),
    ],
  },
  {
    number: 11,
    name: "TwoHosts Vxlan DeltaConfig",
    fabric: "wire",
    intent: intentOf("vteps", TWO_NETS),
    steps: [
      ...BOTH_MEET,
      post("-cfg", intentOf("vteps", { ...TWO_NETS, purple: ["c3@1", "c4@2", "c2@2"] })),
      client("c2", 2, "ok", "orange-c1"),
      attached("c2", "purple-c2"),
      ping("c2", "ok", "purple-c3"),
    ],
  },
  {
    number: 12,
    name: "TwoHosts Vxlan AddDelEp",
    fabric: "wire",
    intent: intentOf("vteps", TWO_NETS),
    steps: [
      ...BOTH_MEET,
      post("-add-cfg", deltaOf({ orange: ["c5@1"] })),
      serve("c5", 1),
      client("c2", 2, "ok", "orange-c5"),
      post("-del-cfg", deltaOf({ orange: ["c5@1"] })),
      detached("orange-c5"),
      client("c2", 2, "fails", "orange-c5"),
      post("-add-cfg", deltaOf({ purple: ["c5@1"] })),
      attached("c5", "purple-c5"),
      client("c4", 2, "ok", "purple-c5"),
    ],
  },
  {
    number: 13,
    name: "TwoHosts Vxlan AddDelNetwork",
    fabric: "wire",
    intent: intentOf("vteps", TWO_NETS),
    steps: [
      ...BOTH_MEET,
      post("-add-cfg", deltaOf({ green: ["c5@1", "c6@2"] })),
      serve("c5", 1),
      client("c6", 2, "ok", "green-c5"),
      post("-del-cfg", deltaOf({ green: ["c5@1", "c6@2"] })),
      detached("green-c5"),
      client("c6", 2, "fails", "green-c5"),
      post("-del-cfg", deltaOf({ green: [] })),
      gone("network", "green"),
    ],
  },
  {
    number: 14,
    name: "MultipleEpsInContainer",
    fabric: "wire",
    intent: intents.multipleEndpoints,
    steps: [
      serve("c2", 1),
      attached("c2", "orange-c2"),
      attached("c2", "purple-c2"),
      // The original started c3 on host 1, although it is bound to host 2, and it worked: it did not ask which host an endpoint is bound to.
      refused("c3", 1),
      client("c3", 2, "ok", "orange-c2"),
      client("c4", 2, "ok", "purple-c2"),
      serve("c1", 1),
      client("c3", 2, "ok", "orange-c1"),
      client("c4", 2, "fails", "orange-c1"),
    ],
  },
  {
    number: 15,
    name: "TwoHostVlan",
    fabric: "vlan-switch",
    intent: intents.twoHostVlan,
    steps: FOUR_ON_ONE_NET,
  },
  {
    number: 16,
    name: "TwoHostVxlan",
    fabric: "wire",
    intent: intents.twoHostVxlan,
    steps: FOUR_ON_ONE_NET,
  },
  {
    number: 17,
    name: "MultipleTenants",
    fabric: "wire",
    intent: intents.multipleTenants,
    steps: TWO_ACROSS,
  },
  {
    number: 18,
    name: "MultipleTenants MixVlanVxlan",
    fabric: "both",
    intent: intents.mixedTenants,
    steps: TWO_ACROSS,
  },
  {
    number: 19,
    name: "MultipleVlansNets",
    fabric: "vlan-switch",
    intent: intents.multipleVlans,
    steps: TWO_ACROSS,
  },
  {
    number: 20,
    name: "MultipleVxlansNets",
    fabric: "wire",
    intent: intents.multipleVxlans,
    steps: TWO_ACROSS,
  },
];

/** The intent comes first, and which container is meant is bound later. */
const LATE: readonly Omit<Scenario, "hosts">[] = [
  {
    number: 21,
    name: "LateHostBindings",
    fabric: "wire",
    intent: intents.lateBindings,
    steps: [bind(bindings.lateHostBindings), ...TWO_ACROSS],
  },
  {
    number: 22,
    name: "LateContainerBindings",
    fabric: "wire",
    intent: intents.lateBindings,
    steps: [
      ...startsAndIsBound(bindings.lateHostBindings, { myContainer1: "c1", myContainer2: "c2" }),
      ...CLIENTS_ACROSS,
    ],
  },
  {
    number: 23,
    name: "InfraContainerBindings",
    fabric: "wire",
    intent: intents.containerBindings,
    steps: [
      ...startsAndIsBound(bindings.containerHostBindings, { myPod1: "c1", myPod2: "c2" }),
      client("c3", 2, "ok", "orange-myPod1"),
      client("c4", 2, "ok", "purple-myPod2"),
    ],
  },
];

function startsAndIsBound(file: string, containers: Readonly<Record<string, string>>): Step[] {
  return [start("c1", 1), start("c2", 1), bind(file, containers), setup("c1"), setup("c2")];
}

/** All of them, in their order. */
export const SCENARIOS: readonly Scenario[] = [
  ...SINGLE_HOST.map((scenario): Scenario => ({ ...scenario, hosts: 1 })),
  ...[...TWO_HOSTS, ...LATE].map((scenario): Scenario => ({ ...scenario, hosts: 2 })),
];
