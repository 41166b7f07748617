// Random intent files, small enough that tags, subnets and addresses run short now and then.

import fc from "fast-check";
import { planIntent } from "../../../lib/intent/plan.ts";
import { parseIntent } from "../../../lib/intent/schema.ts";

const maybe = <T>(value: fc.Arbitrary<T>, freq = 2) => fc.option(value, { nil: undefined, freq });

/** Some of `count` things; each is made by its number. */
const pick = <T>(count: number, make: (number: number) => fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.subarray(Array.from({ length: count }, (_, n) => n), { minLength: count > 3 ? 1 : 0 })
    .chain((numbers) => fc.tuple(...numbers.map(make)));

/** Leaves `field` out of all but the first of what has the same value there. */
function once<T extends object, K extends keyof T>(
  list: readonly T[],
  field: K,
  value: (one: T) => unknown = (one) => one[field],
): T[] {
  const seen = new Set<unknown>();
  return list.map((one) => {
    const isNew = one[field] === undefined || !seen.has(value(one));
    seen.add(value(one));
    return isNew ? one : { ...one, [field]: undefined };
  });
}

const endpoint = (base: string) => (number: number) =>
  fc.record({
    Container: fc.constant(`c${number}`),
    Host: maybe(fc.constantFrom("h0", "h1")),
    Namespace: maybe(fc.constantFrom("default", "shop")),
    IpAddress: maybe(fc.integer({ min: 2, max: 13 }).map((last) => `${base}.${last}`)),
    Interface: maybe(fc.constantFrom("eth0", "data")),
    Labels: maybe(fc.dictionary(fc.constantFrom("a", "b"), fc.constantFrom("1", "2"))),
  }).map((one) => base === "" ? { ...one, IpAddress: undefined } : one);

const REACH = fc.subarray(["host", "services", "outside", "ports"]);

/** Names of this tenant's networks and of others'; what may not be named is left out in settle(). */
const names = fc.subarray(
  [...[0, 1, 2, 3].map((n) => `n${n}`), ...[0, 1, 2].map((n) => `t${n}/n1`), "t0/n2", "t1/n3"],
);

interface Gateway {
  readonly DefaultGw: string | undefined;
  readonly GatewayType: string | undefined;
}

/** Its tenant's gateway may be distributed, for which a network needs an address; reach needs the word. */
function withGateway<T extends Gateway>(one: T, base: string): T {
  const none = { Reach: undefined, ReachNetworks: undefined, NatOutgoing: undefined };
  if (base === "") return { ...one, ...none, DefaultGw: undefined, GatewayType: "external" };
  if (one.GatewayType === "external") return { ...one, ...none };
  const gateway = { DefaultGw: one.DefaultGw ?? `${base}.1` };
  return one.GatewayType === "distributed"
    ? { ...one, ...gateway }
    : { ...one, ...none, ...gateway };
}

/** A network either leaves its subnet to the pool, or fixes one in or outside of it. */
const network = (number: number) =>
  fc.constantFrom("", `10.0.${number}`, `10.0.${number + 1}`, "11.1.0").chain((base) =>
    fc.record({
      Name: fc.constant(`n${number}`),
      PktTagType: maybe(fc.constantFrom("vlan", "vxlan")),
      PktTag: maybe(fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8, 90, 91, 92, 93), 2),
      SubnetCIDR: fc.constant(base === "" ? undefined : `${base}.0/28`),
      DefaultGw: maybe(fc.constantFrom(`${base}.1`, `${base}.14`)),
      GatewayType: maybe(fc.constantFrom("external", "distributed", "distributed"), 3),
      Reach: maybe(REACH),
      ReachNetworks: maybe(names, 3),
      NatOutgoing: maybe(fc.boolean()),
      Description: maybe(fc.constantFrom("front ends", "back ends")),
      Mtu: maybe(fc.constantFrom(1400, 9000)),
      Namespaces: maybe(fc.constantFrom([], ["shop"], ["default", "shop"])),
      HoldAddress: maybe(fc.constantFrom(0, 60, "1h30m")),
      PodSelector: maybe(fc.constantFrom({}, { matchLabels: { app: "web" } })),
      Reserve: maybe(fc.constantFrom([`${base}.0-${base}.1`], [`${base}.14`])),
      Endpoints: pick(7, endpoint(base)).map((list) => once(list, "IpAddress")),
    }).map((one) => withGateway(base === "" ? { ...one, Reserve: undefined } : one, base))
  );

const tenant = (number: number) =>
  fc.record({
    Name: fc.constant(`t${number}`),
    DefaultNetType: fc.constantFrom("vlan", "vxlan"),
    SubnetPool: fc.constantFrom("11.1.0.0/24", "11.1.0.0/25", "11.2.0.0/24"),
    AllocSubnetLen: fc.constantFrom(28, 29),
    Vlans: fc.constantFrom("1-12", "3-14", "86-97"),
    Vxlans: fc.constantFrom("1-12", "4-16"),
    Namespaces: maybe(fc.constantFrom(["shop"], ["default", "shop"])),
    GatewayType: maybe(fc.constantFrom("external", "distributed")),
    Reach: maybe(REACH),
    ReachNetworks: maybe(fc.constantFrom([], ["t9/n1"], ["n9", "t9/n2"])),
    NatOutgoing: maybe(fc.constant(true)),
    Networks: pick(5, network),
  });

type Stated = {
  readonly Name: string;
  readonly SubnetCIDR?: string | undefined;
  readonly GatewayType?: string | undefined;
  readonly ReachNetworks?: readonly string[] | undefined;
  readonly NatOutgoing?: boolean | undefined;
};

/** Leaves out names of networks of the tenant that cannot be named, and routes by a fabric to one of twins. */
function settleReach<N extends object>(
  tenant: string,
  networks: readonly (N & Stated)[],
  all: readonly Stated[],
): (N & Stated)[] {
  const own = networks.filter((one) => one.GatewayType === "distributed");
  const isLost = (name: string) => !own.some((one) => one.Name === name);
  return networks.map((one) => {
    const twins = all.filter(({ SubnetCIDR }) => SubnetCIDR === one.SubnetCIDR).length > 1;
    return {
      ...one,
      NatOutgoing: twins ? undefined : one.NatOutgoing,
      ReachNetworks: one.ReachNetworks?.filter((name) => {
        const [first = "", second] = name.split("/");
        return second === undefined ? !isLost(name) : first !== tenant || !isLost(second);
      }),
    };
  });
}

/** Overlaps and double tags would be refused, so the second of two is dropped. */
function settle<
  T extends { readonly Name: string; readonly Networks: readonly N[] },
  N extends Stated,
>(
  tenants: readonly T[],
): T[] {
  const networks = tenants.flatMap(({ Networks }) => Networks);
  const tagged = once(networks as { PktTag?: number }[], "PktTag") as unknown as N[];
  let next = 0;
  return tenants.map((one) => {
    const own = one.Networks.map(() => tagged[next++] as N & { readonly SubnetCIDR?: string });
    const subnets = new Set<string>();
    const apart = own.filter(({ SubnetCIDR }) => {
      const isNew = SubnetCIDR === undefined || !subnets.has(SubnetCIDR);
      if (SubnetCIDR !== undefined) subnets.add(SubnetCIDR);
      return isNew;
    });
    return { ...one, Networks: apart };
  }).map((one, _, all) => ({
    ...one,
    Networks: settleReach(one.Name, one.Networks, all.flatMap(({ Networks }) => Networks)),
  }));
}

const host = (number: number) =>
  fc.constantFrom({ Intf: "eth2" }, { VtepIp: "192.0.2.1" }, { Intf: "eth3", VtepIp: "192.0.2.2" })
    .map((one) => ({ Name: `h${number}`, ...one }));

const file = fc.record({
  ServiceCIDR: maybe(fc.constantFrom([], ["10.96.0.0/12"], ["10.96.0.0/12", "169.254.20.10/32"])),
  HostRange: maybe(fc.constant("100.64.0.0/14")),
  Hosts: pick(3, host),
  Tenants: pick(3, tenant).map(settle),
});

/** Texts of intent files that an empty store would take. */
export const anyIntent: fc.Arbitrary<string> = file
  .map((one) => JSON.stringify(one))
  .filter(isPossible);

function isPossible(text: string): boolean {
  try {
    planIntent(new Map(), { mode: "replace", intent: parseIntent(text).intent });
    return true;
  } catch {
    return false;
  }
}
