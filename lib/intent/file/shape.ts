// The schema of a file: its keys, their types and the valid values of each. Rules between fields are in
// check.ts. The description of each field is part of the JSON Schema that `intent schema` prints.

import * as z from "zod/mini";
import { parseVlanRanges, parseVniRange, rangesToText, VLANS, VNIS } from "../../ipam/ranges.ts";
import { Fault } from "../../util/errors.ts";
import { isLabelKey } from "../../util/label_selectors.ts";
import type { NAMES } from "./fields.ts";
import { readHostRange } from "../field_rules.ts";
import { REACH_WORDS } from "../records.ts";
import { group, policy } from "./policy.ts";
import {
  address,
  addressRange,
  distinct,
  duration,
  labelKey,
  labelValue,
  line,
  link,
  list,
  longName,
  mac,
  name,
  namespace,
  networkName,
  object,
  oneOf,
  parsed,
  serviceRange,
  subnet,
  texts,
  whole,
  yesOrNo,
} from "./types.ts";

type Keys<K extends keyof typeof NAMES> = Record<keyof typeof NAMES[K], z.ZodMiniType>;

const encap = (about: string) => oneOf(about, ["vlan", "vxlan"]);

const TAG_WANTED = "expected a number, or a number as text";

const tag = z.pipe(
  z.union([z.string(), z.number()], TAG_WANTED)
    .check(z.describe("VLAN id or VNI; the lowest free one where absent")),
  z.transform((written: string | number, context): number => {
    const tag = /^\d{1,8}$/.test(String(written)) ? Number(written) : NaN;
    if (VNIS.first <= tag && tag <= VNIS.last) return tag;
    const fault = new Fault("usage", `${JSON.stringify(written).slice(0, 40)} is not a valid tag`, {
      why: `${VNIS.first} to ${VNIS.last} are allowed, for a VLAN to ${VLANS.last}`,
      fix: "leave it out for the lowest free one",
    });
    context.issues.push({
      code: "custom",
      input: written,
      message: fault.message,
      params: { fault },
    });
    return z.NEVER;
  }),
);

const expression = object(
  "condition on a label",
  {
    key: labelKey("label that is looked at"),
    operator: oneOf("as in Kubernetes", ["In", "NotIn", "Exists", "DoesNotExist"]),
    values: z.exactOptional(list(labelValue("value that it may have"))),
  } satisfies Keys<"expression">,
).check(z.refine(
  ({ operator, values = [] }) => operator.endsWith("In") === values.length > 0,
  "In and NotIn take values, Exists and DoesNotExist take none",
));

const selector = (about: string) =>
  object(
    about,
    {
      matchLabels: z.exactOptional(
        z.record(z.string(), labelValue("its value"), "expected an object").check(
          z.refine(
            (labels) => Object.keys(labels).every(isLabelKey),
            "one of its keys is not a valid label key",
          ),
          z.describe("labels that must be equal"),
        ),
      ),
      matchExpressions: z.exactOptional(list(expression)),
    } satisfies Keys<"selector">,
  );

const endpoint = object(
  "address for a pod that is named here",
  {
    Container: longName("the pod's name"),
    Namespace: z.exactOptional(namespace("Kubernetes namespace that the pod must be in")),
    Host: z.exactOptional(longName("host that it is pinned to; absent: where the pod is placed")),
    AttachUUID: z.exactOptional(
      longName("id of the container to attach, if not the one with that name"),
    ),
    IpAddress: z.exactOptional(address("fixed address; the lowest free one where absent")),
    Mac: z.exactOptional(mac("fixed MAC address")),
    Interface: z.exactOptional(link("name in the pod; eth0 or net1… where absent")),
    Labels: z.exactOptional(texts("attributes for policy")),
    Group: z.exactOptional(name("group of this tenant")),
  } satisfies Keys<"endpoint">,
);

const reach = {
  GatewayType: z.exactOptional(
    oneOf("which router has DefaultGw: one of the fabric, or every host", [
      "external",
      "distributed",
    ]),
  ),
  Reach: z.exactOptional(
    distinct(
      list(oneOf(
        "what pods may reach beyond their network, with a distributed gateway: host is their node, services are " +
          "ClusterIPs, outside is all that the node reaches; by ports the outside reaches them (NodePort, hostPort)",
        REACH_WORDS,
      )),
      REACH_WORDS,
    ),
  ),
  ReachNetworks: z.exactOptional(
    distinct(list(networkName(
      "network that hosts route to: NETWORK, or TENANT/NETWORK, which names this one, too; both have a " +
        "distributed gateway and DefaultGw",
    ))),
  ),
  NatOutgoing: z.exactOptional(
    yesOrNo("false: the fabric routes the subnet, so packets leave hosts with the pod's address"),
  ),
};

const network = object(
  "network with a tag and a subnet of its own",
  {
    Name: name("unique in its tenant"),
    Description: z.exactOptional(line("free text for people", 200)),
    PktTagType: z.exactOptional(encap("the tenant's DefaultNetType where absent")),
    PktTag: z.exactOptional(tag),
    SubnetCIDR: z.exactOptional(subnet("fixed subnet; a block of the pool where absent")),
    DefaultGw: z.exactOptional(address("default route of the pods; never given to an endpoint")),
    ...reach,
    Default: z.exactOptional(yesOrNo("serves pods of the tenant that name no network")),
    Namespaces: z.exactOptional(
      list(namespace("namespace that may use the network; the tenant's where absent")),
    ),
    PodSelector: z.exactOptional(selector("labels of the pods that it serves")),
    NamespaceSelector: z.exactOptional(selector("labels of the namespaces whose pods it serves")),
    HoldAddress: z.exactOptional(
      duration("how long a pod's address is kept for its return; seconds, or as in 1h30m"),
    ),
    Mtu: z.exactOptional(whole("bytes; measured where absent", 68, 65_535)),
    Reserve: z.exactOptional(list(addressRange("address or FIRST-LAST that is never given"))),
    AllocRange: z.exactOptional(addressRange("FIRST-LAST: the only addresses to choose from")),
    Endpoints: z.exactOptional(list(endpoint)),
  } satisfies Keys<"network">,
);

const tenant = object(
  "owner of networks, apart from other tenants",
  {
    Name: name("unique"),
    DefaultNetType: z.exactOptional(
      encap("for networks that do not say; required when the tenant is new"),
    ),
    SubnetPool: z.exactOptional(
      subnet(
        "pool of the subnets of networks without SubnetCIDR; required when the tenant is new, even if each has one",
      ),
    ),
    AllocSubnetLen: z.exactOptional(
      whole("prefix length of such a subnet; required when the tenant is new", 8, 32),
    ),
    Vlans: z.exactOptional(
      parsed(
        "ranges of VLANs to choose from, e.g. 11-28,40-50",
        (text) => rangesToText(parseVlanRanges(text)),
      ),
    ),
    Vxlans: z.exactOptional(
      parsed(
        "one range of VNIs to choose from, e.g. 10001-14000",
        (text) => rangesToText([parseVniRange(text)]),
      ),
    ),
    Namespaces: z.exactOptional(list(namespace("namespace served; only default where absent"))),
    ...reach,
    Groups: z.exactOptional(list(group)),
    Policies: z.exactOptional(list(policy)),
    Networks: z.exactOptional(list(network)),
  } satisfies Keys<"tenant">,
);

const host = object(
  "what the networks need of a host",
  {
    Name: longName("the agent's --host-label"),
    Intf: z.exactOptional(link("uplink to the VLAN fabric")),
    VtepIp: z.exactOptional(address("tunnel address")),
    NetId: z.exactOptional(name("network of the uplink; normally absent")),
  } satisfies Keys<"host">,
);

const binding = object(
  "pins the endpoints of a container to a host",
  {
    Container: longName("container of the endpoints to pin"),
    Host: longName("host that they are pinned to"),
    AttachUUID: z.exactOptional(
      longName("id of the container to attach, if not the one with that name"),
    ),
    IpAddress: z.exactOptional(z.string("expected a string").check(z.describe("not used"))),
  } satisfies Keys<"binding">,
);

const infraNetwork = object(
  "not used; the original's network of a host",
  {
    Name: z.exactOptional(z.string("expected a string")),
    PktTagType: z.exactOptional(z.string("expected a string")),
    PktTag: z.exactOptional(z.union([z.string(), z.number()], "expected a string")),
  } satisfies Keys<"infraNetwork">,
);

/** Schema of a bindings file. */
export const bindingsFile = list(binding);

/** Schema of an intent file whose keys are folded. */
export const intentFile = object(
  "networks, and who is in them",
  {
    ServiceCIDR: z.exactOptional(
      distinct(list(serviceRange("where Kubernetes' services have their addresses"))),
    ),
    HostRange: z.exactOptional(
      parsed("where hosts have their addresses in pods' networks", readHostRange),
    ),
    Hosts: z.exactOptional(list(host)),
    InfraNetworks: z.exactOptional(list(infraNetwork)),
    Tenants: z.exactOptional(list(tenant)),
    HostBindings: z.exactOptional(bindingsFile),
  } satisfies Keys<"intent">,
);

/** An intent file after its types were read. */
export type IntentFile = z.output<typeof intentFile>;

/** A bindings file after its types were read. */
export type BindingsFile = z.output<typeof bindingsFile>;
