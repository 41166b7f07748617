// The intent that `intent example` prints: every idea once, ready to apply.

/** An intent file with two tenants whose addresses overlap, late binding, and a policy. */
export const exampleIntent = `{
  "Hosts": [
    { "Name": "host1", "Intf": "eth2", "VtepIp": "192.168.2.10" },
    { "Name": "host2", "Intf": "eth2", "VtepIp": "192.168.2.11" }
  ],
  "Tenants": [
    {
      "Name": "blue",
      "DefaultNetType": "vxlan",
      "SubnetPool": "11.1.0.0/16",
      "AllocSubnetLen": 24,
      "Vxlans": "10001-14000",
      "Namespaces": ["default", "shop"],
      "Groups": [{ "Name": "web", "Network": "front", "Policies": ["web-only"] }],
      "Policies": [
        {
          "Name": "web-only",
          "Rules": [
            { "Id": "1", "Direction": "in", "Protocol": "tcp", "Action": "deny" },
            {
              "Id": "2",
              "Priority": 100,
              "Direction": "in",
              "Protocol": "tcp",
              "Port": 8000,
              "Action": "allow"
            }
          ]
        }
      ],
      "Networks": [
        {
          "Name": "front",
          "Endpoints": [
            { "Container": "web-1", "Namespace": "shop", "Group": "web" },
            { "Container": "web-2", "Namespace": "shop", "Group": "web", "Host": "host2" }
          ]
        },
        {
          "Name": "back",
          "SubnetCIDR": "10.20.0.0/24",
          "DefaultGw": "10.20.0.254",
          "Reserve": ["10.20.0.1-10.20.0.9"],
          "Endpoints": [
            { "Container": "db-0", "IpAddress": "10.20.0.10", "Labels": { "role": "db" } }
          ]
        }
      ]
    },
    {
      "Name": "green",
      "DefaultNetType": "vlan",
      "SubnetPool": "11.1.0.0/16",
      "AllocSubnetLen": 24,
      "Vlans": "11-28, 40-50",
      "Networks": [
        { "Name": "edge", "PktTag": 100, "Endpoints": [{ "Container": "proxy" }] }
      ]
    }
  ]
}
`;
