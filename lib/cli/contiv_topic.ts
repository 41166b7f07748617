// The text of `docs contiv`: moving from contiv netplugin. Its example, its command lines and what it says of refusals are
// checked by tests.

/** Plain text; commands are indented by four blanks. */
export const contivTopic = `MOVING FROM CONTIV NETPLUGIN

This program re-implements what contiv netplugin did for Kubernetes in April 2015, and later objects of
contiv that concern pods: tenants, networks, endpoint groups, policies and rules. It shares no store and
no bridge with contiv. Remove contiv from a host first; "k8contivnet doctor" finds what it has left.

IF YOU HAVE INTENT FILES (netdcli, 2015)

The same files work, in any case of letters, with numbers or text as PktTag. So do the commands:

    netdcli -cfg intent.json
    netdcli -add-cfg more.json
    netdcli -del-cfg old.json
    netdcli -host-bindings-cfg bindings.json
    netdcli -oper get -construct endpoint orange-myContainer1

The same:
  netplugin -host-label NAME; a kubelet's calls setup, teardown and status; -cfg deletes what the file does
  not name; an endpoint without a host is bound where its pod starts, or by a bindings file; the first
  subnet of a pool is its first block; - is standard input.

Different:
  Addresses, VLANs and VNIs are claimed in transactions, by any host at once; nothing needs a master.
  setup returns when the pod is connected, and its exit code says so. A teardown removes the pod's port.
  A network's name belongs to its tenant: two tenants may have networks of the same name.
  A pod's interface is named eth0, net1 and so on, and has the DefaultGw as its route, and an MTU that
  fits into the tunnel.
  DefaultGw and broadcast addresses are never allocated. PktTag without PktTagType is of the tenant's
  DefaultNetType. VLANs that one tenant uses are not allocated to another.
  Changed attributes of tenants, networks and endpoints are updated; what would cut off running pods is
  refused unless --force is given, and "k8contivnet plan" shows it first.
  The files in which contiv kept its state (/contiv in etcd) are not read: apply the intent again.

Refused now, where contiv did something else or crashed:
  -oper create, delete, attach, detach    they wrote records past the allocation; apply an intent
  "Vlans": "11"                           a range has two ends: "11-11"
  PktTag 0, or above 4094 for a VLAN      tag 0 was a trunk with all VLANs in a container
  SubnetCIDR 10.0.0.77/24                 host bits: write 10.0.0.0/24
  SubnetCIDR 10.36.28.100-10.36.28.200/24 a subnet and AllocRange say that
  one address or name given twice         two pods would have it
  an address outside its subnet           it could not be reached
  subnets of one tenant that overlap      one of them could not be reached
  names that are empty or have / in them  they were keys of the store, and broke it
  SubnetCIDR6                             pods have IPv4 addresses only

IF YOU HAVE OBJECTS (netctl, REST at netmaster:9999, 2016 to 2019)

Print the objects of each kind (netctl KIND ls --all --json), and write each into the intent:

  object           field                               in the intent
  tenant           tenantName                          Tenants[].Name
  network          networkName, subnet, gateway        Networks[].Name, SubnetCIDR, DefaultGw
                   encap, pktTag                       PktTagType, PktTag; leave the tag out to choose one
                   subnet with a range                 SubnetCIDR, and AllocRange
                   nwType infra                        GatewayType distributed, Reach ["host"]
  endpointGroup    groupName, networkName, policies    Groups[].Name, Network, Policies
                   ipPool                              none: AllocRange of the network, or IpAddress
  policy, rule     policyName; ruleId, priority,       Policies[].Name; Rules[].Id, Priority,
                   direction, protocol, port, action   Direction, Protocol, Port, Action
                   fromEndpointGroup, fromNetwork,     FromGroup, FromNetwork,
                   fromIpAddress; to… likewise         FromIpAddress; To… likewise
  global           vlans, vxlans                       Vlans, Vxlans of each tenant
  pod labels       io.contiv.tenant, io.contiv.network, io.contiv.net-group    unchanged

Leave out empty fields. A tenant also needs DefaultNetType, SubnetPool and AllocSubnetLen, from which
networks without a subnet get theirs, and Namespaces: the Kubernetes namespaces that it serves. Do not give
all of 1-4094 to Vlans: each host tags VXLAN networks with VLANs that no tenant has.

Not there, and what to use:
  netprofile       the CNI plugin "bandwidth" behind this one
  service          Kubernetes' services and kube-proxy, with Reach ["services"]
  bgp              NatOutgoing false, and the fabric's own routes
  app-profile, external contracts, ACI    nothing
  DNS in the datapath                     Kubernetes' DNS
  global fwd-mode, arp-mode, fabric-mode  nothing to set: a network says by GatewayType who routes

EXAMPLE

These objects, as contiv prints them:

{
  "tenants": [{ "tenantName": "shop" }],
  "networks": [
    { "tenantName": "shop", "networkName": "front", "nwType": "data", "encap": "vxlan",
      "pktTag": 10001, "subnet": "10.11.1.0/24", "gateway": "10.11.1.254" },
    { "tenantName": "shop", "networkName": "back", "nwType": "data", "encap": "vlan",
      "pktTag": 40, "subnet": "10.11.2.0/24", "gateway": "" }
  ],
  "endpointGroups": [
    { "tenantName": "shop", "groupName": "web", "networkName": "front", "policies": ["web-in"] },
    { "tenantName": "shop", "groupName": "app", "networkName": "front", "policies": [] }
  ],
  "policys": [{ "tenantName": "shop", "policyName": "web-in" }],
  "rules": [
    { "tenantName": "shop", "policyName": "web-in", "ruleId": "1", "priority": 1,
      "direction": "in", "protocol": "tcp", "port": 0, "action": "deny" },
    { "tenantName": "shop", "policyName": "web-in", "ruleId": "2", "priority": 100,
      "direction": "in", "fromEndpointGroup": "app", "protocol": "tcp", "port": 8000,
      "action": "allow" }
  ]
}

become this intent:

{
  "Tenants": [
    {
      "Name": "shop",
      "DefaultNetType": "vxlan",
      "SubnetPool": "10.11.0.0/16",
      "AllocSubnetLen": 24,
      "Vlans": "1-2000",
      "Vxlans": "10000-20000",
      "Namespaces": ["default", "shop"],
      "Networks": [
        { "Name": "front", "PktTagType": "vxlan", "PktTag": 10001, "SubnetCIDR": "10.11.1.0/24",
          "DefaultGw": "10.11.1.254", "Default": true },
        { "Name": "back", "PktTagType": "vlan", "PktTag": 40, "SubnetCIDR": "10.11.2.0/24" }
      ],
      "Groups": [
        { "Name": "web", "Network": "front", "Policies": ["web-in"] },
        { "Name": "app", "Network": "front" }
      ],
      "Policies": [
        { "Name": "web-in", "Rules": [
          { "Id": "1", "Priority": 1, "Direction": "in", "Protocol": "tcp", "Action": "deny" },
          { "Id": "2", "Priority": 100, "Direction": "in", "FromGroup": "app", "Protocol": "tcp",
            "Port": 8000, "Action": "allow" }
        ] }
      ]
    }
  ]
}

Check it, look at what it would do, and apply it:

    k8contivnet intent check intent.json
    k8contivnet plan -f intent.json
    k8contivnet apply -f intent.json

A pod with the label io.contiv.net-group=web is now in the group web: from pods of the group app it takes
connections to TCP port 8000, and no other TCP connection from any pod. Without its label a pod of the
namespace shop or default is in front, the default network, and in no group. Ask for a pair of pods:

    k8contivnet trace shop/app-1 shop/web-1 --tcp 8000
    k8contivnet why shop/web-1
`;
