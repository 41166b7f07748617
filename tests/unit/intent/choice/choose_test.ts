import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { KnownPod } from "../../../../lib/intent/choice/requested_network.ts";
import { type AvailableNetworks, chooseNetwork } from "../../../../lib/intent/choice/choose.ts";
import type { NetworkRecord, TenantRecord } from "../../../../lib/intent/records.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { NONE, UNKNOWN } from "../../../../lib/util/label_selectors.ts";
import { cases, runs } from "../../cases.ts";

const tenant = (name: string, more: Partial<TenantRecord> = {}): TenantRecord => ({
  ...{ schema: 1, name, defaultNetType: "vlan", subnetPool: "11.1.0.0/16", allocSubnetLen: 24 },
  ...more,
});

const network = (path: string, more: Partial<NetworkRecord> = {}): NetworkRecord => {
  const [tenant = "", name = ""] = path.split("/");
  return {
    ...{ schema: 1, tenant, name, encap: "vlan", tag: 11, tagBy: "pool" },
    ...{ subnet: "11.1.0.0/24", subnetBy: "pool" },
    ...more,
  };
};

const marks = (values: Record<string, string>) => ({ values, isComplete: true });

const pod = (more: Partial<KnownPod> = {}): KnownPod => ({
  ...{ namespace: "default", name: "web-1" },
  ...{ labels: NONE, annotations: NONE, namespaceLabels: NONE, namespaceAnnotations: NONE },
  ...more,
});

const asks = (keys: Record<string, string>) =>
  marks(Object.fromEntries(
    Object.entries(keys).map(([key, value]) => [`io.contiv.${key}`, value]),
  ));

const SHOP: AvailableNetworks = {
  tenants: [
    tenant("one", {
      namespaces: ["default", "shop"],
      groups: [{ Name: "front", Network: "blue" }, { Name: "back", Network: "red" }],
    }),
    tenant("two", { namespaces: ["bank"], groups: [{ Name: "front", Network: "blue" }] }),
    tenant("three"),
  ],
  networks: [
    network("one/blue", { default: true }),
    network("one/red", { podSelector: { matchLabels: { app: "db" } } }),
    network("one/closed", { namespaces: ["shop"] }),
    network("two/blue"),
    network("two/green", {
      namespaceSelector: {
        matchExpressions: [{ key: "env", operator: "NotIn", values: ["test"] }],
      },
    }),
    network("three/white"),
  ],
};

const says = (offer: AvailableNetworks, one: KnownPod) => {
  const choice = chooseNetwork(offer, one);
  if (!choice.network) return `none: ${choice.why}`;
  const { network, group, rule } = choice;
  return `${network.tenant}/${network.name}${group ? ` ${group}` : ""}: ${rule}`;
};

const chosen: readonly (readonly [what: string, pod: KnownPod, want: string])[] = [
  [
    "the default of the tenant that serves its namespace",
    pod(),
    "one/blue: default network of tenant one for namespace default",
  ],
  [
    "the default also where nothing is known of its labels",
    pod({ labels: UNKNOWN, annotations: UNKNOWN, namespaceLabels: UNKNOWN }),
    "one/blue: default network of tenant one for namespace default",
  ],
  [
    "the network whose selector takes its labels, before the default",
    pod({ labels: marks({ app: "db" }) }),
    "one/red: PodSelector of one/red",
  ],
  [
    "the network that it names, before the selector that takes it",
    pod({ labels: marks({ app: "db", "io.contiv.network": "closed" }), namespace: "shop" }),
    "one/closed: label io.contiv.network=closed of the pod",
  ],
  [
    "what an annotation names",
    pod({ annotations: asks({ network: "red" }) }),
    "one/red: annotation io.contiv.network=red of the pod",
  ],
  [
    "what the pod says over what its namespace says",
    pod({ labels: asks({ network: "red" }), namespaceLabels: asks({ network: "blue" }) }),
    "one/red: label io.contiv.network=red of the pod",
  ],
  [
    "its own tenant's default, whatever tenant and network its namespace names",
    pod({
      labels: asks({ tenant: "one" }),
      namespaceLabels: asks({ tenant: "two", network: "green" }),
    }),
    "one/blue: label io.contiv.tenant=one of the pod, " +
    "default network of tenant one for namespace default",
  ],
  [
    "what its namespace says where it says nothing",
    pod({ namespaceAnnotations: asks({ network: "red" }) }),
    "one/red: annotation io.contiv.network=red of namespace default",
  ],
  [
    "the named tenant's network where several have one of that name",
    pod({ namespace: "bank", labels: asks({ tenant: "two", network: "blue" }) }),
    "two/blue: label io.contiv.tenant=two of the pod, label io.contiv.network=blue of the pod",
  ],
  [
    "the network of the group that it names",
    pod({ labels: asks({ "net-group": "back" }) }),
    "one/red back: label io.contiv.net-group=back of the pod",
  ],
  [
    "network and group that agree",
    pod({ labels: asks({ network: "blue" }), annotations: asks({ "net-group": "front" }) }),
    "one/blue front: label io.contiv.network=blue of the pod, " +
    "annotation io.contiv.net-group=front of the pod",
  ],
  [
    "its own network without the namespace's group, which is in another",
    pod({
      labels: asks({ network: "red" }),
      namespaceLabels: asks({ network: "blue", "net-group": "front" }),
    }),
    "one/red: label io.contiv.network=red of the pod",
  ],
  [
    "the default of the tenant that it names",
    pod({ labels: asks({ tenant: "one" }) }),
    "one/blue: label io.contiv.tenant=one of the pod, " +
    "default network of tenant one for namespace default",
  ],
  [
    "what NotIn takes where the label is not there",
    pod({ namespace: "bank" }),
    "two/green: NamespaceSelector of two/green",
  ],
  [
    "nothing where a selector cannot be decided and there is no default",
    pod({ namespace: "bank", namespaceLabels: UNKNOWN }),
    "none: no network of two is the default or selects it, and its labels are not known, " +
    "which two/green requires",
  ],
  [
    "nothing where no tenant serves its namespace",
    pod({ namespace: "kube-system" }),
    "none: no tenant serves namespace kube-system",
  ],
  [
    "the default where an empty label says nothing",
    pod({ labels: asks({ tenant: "", network: "", "net-group": "" }) }),
    "one/blue: default network of tenant one for namespace default",
  ],
];

for (const [what, one, want] of chosen) {
  Deno.test(`chooseNetwork() chooses for a pod ${what}`, () => assertEquals(says(SHOP, one), want));
}

const refused: readonly (readonly [what: string, pod: KnownPod, code: string, says: string])[] = [
  [
    "a tenant that is not there",
    pod({ labels: asks({ tenant: "x" }) }),
    "not_found",
    "tenant x does not exist",
  ],
  [
    "a network that is not there",
    pod({ labels: asks({ network: "x" }) }),
    "not_found",
    "label io.contiv.network=x of the pod, but network x does not exist;",
  ],
  [
    "a network that its tenant does not have",
    pod({ labels: asks({ tenant: "one", network: "green" }) }),
    "not_found",
    "network green of tenant one does not exist",
  ],
  [
    "a group that is not there",
    pod({ labels: asks({ "net-group": "x" }) }),
    "not_found",
    "group x does not exist",
  ],
  [
    "a group of another network",
    pod({ labels: asks({ network: "blue", "net-group": "back" }) }),
    "not_found",
    "group back in network one/blue does not exist",
  ],
  [
    "a tenant that its namespace may not use",
    pod({ labels: asks({ tenant: "two" }) }),
    "conflict",
    "may not use tenant two: label io.contiv.tenant=two of the pod, but its Namespaces are bank",
  ],
  [
    "a network of a tenant that its namespace may not use",
    pod({ labels: asks({ network: "green" }) }),
    "conflict",
    "may not use network two/green",
  ],
  [
    "a network that is closed to its namespace",
    pod({ labels: asks({ network: "closed" }) }),
    "conflict",
    "may not use network one/closed",
  ],
  [
    "a network of the name in each of two tenants",
    pod({ labels: asks({ network: "blue" }), namespace: "both" }),
    "conflict",
    "label io.contiv.network=blue of the pod is in one/blue and two/blue; add label io.contiv.tenant",
  ],
  [
    "one network by label and another by annotation",
    pod({ labels: asks({ network: "blue" }), annotations: asks({ network: "red" }) }),
    "conflict",
    "io.contiv.network of the pod is blue as label, red as annotation",
  ],
  [
    "a tenant alone that has no network for it",
    pod({ labels: asks({ tenant: "three" }) }),
    "not_found",
    "no network of three is the default",
  ],
];

const BOTH: AvailableNetworks = {
  ...SHOP,
  tenants: SHOP.tenants.map((one) => ({
    ...one,
    namespaces: [...one.namespaces ?? ["default"], "both"],
  })),
};

for (const [what, one, code, words] of refused) {
  Deno.test(`chooseNetwork() refuses a pod that asks for ${what}`, () => {
    const fault = assertThrows(() => chooseNetwork(BOTH, one), Fault);
    assertEquals(fault.code, code);
    assert(fault.message.includes(words), fault.message);
    assert(fault.message.length < 250, fault.message);
  });
}

Deno.test("chooseNetwork() refuses a pod that two selectors take, or two defaults", () => {
  const all = { matchLabels: {} };
  const two = (more: Partial<NetworkRecord>): AvailableNetworks => ({
    tenants: [tenant("one"), tenant("two")],
    networks: [network("one/a", more), network("two/b", more)],
  });
  for (
    const [more, words] of [[{ podSelector: all }, "the selectors of"], [
      { default: true },
      "the default networks",
    ]] as const
  ) {
    const fault = assertThrows(() => chooseNetwork(two(more), pod()), Fault);
    assertEquals(fault.code, "conflict");
    assert(fault.message.includes(`${words} one/a and two/b match it`), fault.message);
  }
});

Deno.test("chooseNetwork() takes both selectors of a network together", () => {
  const offer: AvailableNetworks = {
    tenants: [tenant("one")],
    networks: [network("one/a", {
      podSelector: { matchLabels: { app: "web" } },
      namespaceSelector: { matchLabels: { env: "test" } },
    })],
  };
  const [web, test] = [marks({ app: "web" }), marks({ env: "test" })];
  const rule = "one/a: PodSelector and NamespaceSelector of one/a";
  assertEquals(says(offer, pod({ labels: web, namespaceLabels: test })), rule);
  assert(says(offer, pod({ labels: web })).startsWith("none"));
  assert(says(offer, pod({ namespaceLabels: test })).startsWith("none"));
});

const word = fc.constantFrom("one", "two", "three", "blue", "red", "green", "front", "db", "x", "");
const key = fc.constantFrom("tenant", "network", "net-group").map((one) => `io.contiv.${one}`);
const anyMarks = fc.record({
  values: fc.dictionary(fc.oneof(key, fc.constantFrom("app", "env")), word, { maxKeys: 2 }),
  isComplete: fc.boolean(),
});
const rarely = fc.oneof({ arbitrary: fc.constant(NONE), weight: 3 }, anyMarks);
const anyPod = fc.record({
  namespace: fc.constantFrom("default", "shop", "bank", "both", "kube-system"),
  name: fc.constant("web-1"),
  labels: anyMarks,
  annotations: rarely,
  namespaceLabels: rarely,
  namespaceAnnotations: rarely,
});

Deno.test("chooseNetwork() puts no pod into a network that its namespace may not use", () => {
  let places = 0;
  fc.assert(
    fc.property(anyPod, (one) => {
      try {
        const { network } = chooseNetwork(BOTH, one);
        if (!network) return;
        places++;
        const owner = BOTH.tenants.find(({ name }) => name === network.tenant);
        assert((owner?.namespaces ?? ["default"]).includes(one.namespace));
        assert(network.namespaces?.includes(one.namespace) ?? true);
      } catch (error) {
        assert(
          error instanceof Fault && ["not_found", "conflict"].includes(error.code),
          `${error}`,
        );
      }
    }),
    runs(2_000),
  );
  assert(places > cases(100), `${places} pods got a place`);
});

Deno.test("chooseNetwork() chooses by selector only what stays right once all labels are known", () => {
  fc.assert(
    fc.property(anyPod, anyMarks, (one, more) => {
      const known = { ...one, labels: { values: one.labels.values, isComplete: false } };
      const whole = { values: { ...more.values, ...one.labels.values }, isComplete: true };
      let choice;
      try {
        choice = chooseNetwork(SHOP, { ...known, annotations: NONE });
      } catch {
        return; // refused on what is known
      }
      if (!choice.network || !choice.rule.startsWith("PodSelector")) return;
      const asked = Object.keys(more.values).some((key) => key.startsWith("io.contiv."));
      if (asked) return;
      assertEquals(chooseNetwork(SHOP, { ...known, annotations: NONE, labels: whole }), choice);
    }),
    runs(1_000),
  );
});
