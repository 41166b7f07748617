// Short ways to write intent files for tests.

/** A tenant of VLANs 11-28 and subnets /24 of 11.1.0.0/16, with these networks. */
export function vlanTenant(networks: readonly object[], more: object = {}): object {
  return {
    Tenants: [{
      Name: "one",
      DefaultNetType: "vlan",
      SubnetPool: "11.1.0.0/16",
      AllocSubnetLen: 24,
      Vlans: "11-28",
      Networks: networks,
      ...more,
    }],
  };
}

/** A network of these containers, each by its name or as a whole. */
export function network(
  name: string,
  endpoints: readonly (string | object)[] = [],
  more: object = {},
): object {
  const all = endpoints.map((one) => typeof one === "string" ? { Container: one } : one);
  return { Name: name, ...more, Endpoints: all };
}

/** Tenant one with these networks and nothing else, as a file of deletions names it. */
export function named(networks?: readonly object[]): object {
  return { Tenants: [{ Name: "one", Networks: networks }] };
}

/** The document of an attachment, and its key. */
export function attachment(
  path: string,
  { address = "11.1.0.1", host = "host1", sandbox = "0123456789ab" } = {},
): Record<string, unknown> {
  const [tenant, network, endpoint] = path.split("/");
  return {
    [`attachments/${host}/${sandbox}/eth0`]: {
      schema: 1,
      id: "0123456789a",
      host,
      tenant,
      network,
      endpoint,
      pod: { namespace: "default", name: endpoint },
      sandbox,
      netns: "/run/netns/x",
      netnsInode: 1,
      interface: "eth0",
      addresses: [`${address}/24`],
      mac: "02:02:0b:01:00:01",
      mtu: 1450,
      generation: 1,
      state: "planned",
    },
  };
}
