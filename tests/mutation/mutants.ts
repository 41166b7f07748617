// Faults that unit tests must notice. Each one is put into a copy of the code by itself; one of its tests must
// then fail (see run.ts). A new mutant is one entry here. `from` occurs exactly once in its file, which the
// run checks, so that this list cannot rot.

/** One deliberate fault. */
export interface Mutant {
  /** What the program would do wrong. */
  readonly fault: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** Tests of which at least one must fail. */
  readonly tests: readonly string[];
}

type Entry = readonly [fault: string, from: string, to: string];

function mutantsOf(file: string, tests: readonly string[], entries: readonly Entry[]): Mutant[] {
  return entries.map(([fault, from, to]) => ({ fault, file, from, to, tests }));
}

const RANGES = ["tests/unit/ipam/ranges_test.ts"];
const SUBNETS = ["tests/unit/ipam/subnets_test.ts"];
const ADDRESSES = ["tests/unit/ipam/addresses_test.ts"];
const BIND = ["tests/unit/intent/bind_test.ts"];
const PLAN_REFUSALS = ["tests/unit/intent/plan_refusals_test.ts"];
const PLAN_TAGS = ["tests/unit/intent/plan/choose_tags_test.ts"];
const PLAN_SUBNETS = ["tests/unit/intent/plan/choose_subnets_test.ts"];
const PLAN_ADDRESSES = ["tests/unit/intent/plan/choose_addresses_test.ts"];
const OWNERS = ["tests/unit/intent/plan/choose_owners_test.ts"];
const REACH_CHECKS = ["tests/unit/intent/plan/reach_checks_test.ts", ...OWNERS];
const DELETIONS = ["tests/unit/intent/plan/deletions_test.ts"];
const LIVE = ["tests/unit/intent/plan_live_test.ts"];
const COMMITS = ["tests/unit/intent/plan_commits_test.ts"];
const CHOICE = ["tests/unit/intent/choice/choose_test.ts"];
const FILE = ["tests/unit/intent/schema_test.ts", "tests/unit/intent/schema_refusals_test.ts"];
const POLICY = ["tests/unit/policy/model_property_test.ts"];
const PIPELINE = ["tests/unit/policy/pipeline_test.ts"];
const SETUP = "tests/unit/agent/pods/setup_test.ts";
const HOST_SIDE = ["tests/unit/reach/host_side_test.ts"];
const PLAN_REACH = ["tests/unit/agent/reach/plan_reach_test.ts"];
const RELEASE = "tests/unit/agent/gc/release_unwanted_test.ts";

/** All mutants. */
export const mutants: readonly Mutant[] = [
  // --- ipam

  ...mutantsOf("lib/ipam/ranges.ts", RANGES, [
    [
      "ranges that touch are not merged",
      "range.first <= before.last + 1",
      "range.first < before.last",
    ],
    ["a range inside another one cuts it short", "Math.max(before.last, range.last)", "range.last"],
    ["the last id of a range is never given", "id <= last; id++", "id < last; id++"],
    [
      "ids below the start are never given again",
      "return further ?? freeIds(ranges, isUsed)",
      "return further ?? freeIds(ranges, isUsed, start)",
    ],
    [
      "a range of VNIs may be one longer",
      "range.last - range.first > VNI_SPAN",
      "range.last - range.first > VNI_SPAN + 1",
    ],
  ]),
  ...mutantsOf("lib/ipam/subnets.ts", SUBNETS, [
    ["256 is a byte of an address", "byte < 256", "byte <= 256"],
    ["a byte may begin with a zero", "/^(0|[1-9]\\d{0,2})$/", "/^\\d{1,3}$/"],
    [
      "host bits are cut off without a word",
      'if (subnet.base === address || hostBits === "cut")',
      "if (true)",
    ],
    [
      "a larger subnet is held by a smaller one",
      "outer.length <= inner.length && subnetHas",
      "subnetHas",
    ],
    [
      "the next free block is not aligned",
      "Math.ceil((lastOf(one) + 1) / size) * size",
      "lastOf(one) + 1",
    ],
    [
      "a block may reach beyond the pool",
      "base + size <= end; base += size) yield { base, length };\n}",
      "base < end; base += size) yield { base, length };\n}",
    ],
  ]),
  ...mutantsOf("lib/ipam/subnets.ts", ADDRESSES, [
    ["network and broadcast address are given", "subnet.length >= 31 ? 0 : 1", "0"],
    [
      "a /31 keeps both of its addresses",
      "subnet.length >= 31 ? 0 : 1",
      "subnet.length >= 32 ? 0 : 1",
    ],
  ]),
  ...mutantsOf("lib/ipam/reserved.ts", ["tests/unit/ipam/reserved_test.ts"], [
    [
      "multicast addresses are given to hosts",
      '  ["224.0.0.0/4", "reserved for multicast (RFC 5771)"],\n',
      "",
    ],
  ]),
  ...mutantsOf("lib/ipam/addresses.ts", ADDRESSES, [
    [
      "the gateway is given",
      "...(gateway === undefined ? [] : [{ first: gateway, last: gateway }]),",
      "",
    ],
    ["reserved addresses are given", "...reserve,", ""],
    [
      "the range to choose from is not heeded",
      "allocRange ? intersect(hosts, allocRange) : hosts",
      "hosts",
    ],
    ["the gateway may be an endpoint's fixed address", "if (address === gateway)", "if (false)"],
    [
      "the address before a reserved range is left out",
      "last: gap.first - 1",
      "last: gap.first - 2",
    ],
  ]),

  // --- intent

  ...mutantsOf("lib/intent/bind.ts", BIND, [
    ["an AttachUUID of few digits is taken for an id", "{12,64}", "{1,64}"],
    ["a sandbox of few digits is taken for any that begins so", "sandbox.length >= 12 && ", ""],
    [
      "an endpoint's own namespace is not heeded",
      "return endpoint.namespace === namespace;",
      "return true;",
    ],
    [
      "a tenant without namespaces serves all",
      '(tenant?.namespaces ?? ["default"]).includes(namespace)',
      "tenant?.namespaces?.includes(namespace) ?? true",
    ],
    ["the intent's host beats a pin", "return pin?.host ?? host;", "return host ?? pin?.host;"],
    ["two endpoints share one interface name", "if (names.has(name)) {", "if (false) {"],
    ["a free interface name is used twice", "names.add(name);\n    return", "return"],
  ]),
  ...mutantsOf("lib/intent/plan/choose_addresses.ts", [...PLAN_ADDRESSES, ...LIVE], [
    [
      "an address that another endpoint fixes is given twice",
      "const holder = owners.get(address) ?? foreign.get(address);",
      "const holder = foreign.get(address);",
    ],
    [
      "an address of a pod that is about to go is given at once",
      "owners.has(address) || foreign.has(address) || held.has(address)",
      "owners.has(address) || foreign.has(address)",
    ],
    [
      "an endpoint does not keep its address",
      "record ? parseAddress(record.address) : heldBy.get(key)",
      "heldBy.get(key)",
    ],
  ]),
  ...mutantsOf("lib/intent/plan/choose_subnets.ts", PLAN_SUBNETS, [
    [
      "subnets of one tenant may overlap",
      "one.owner !== key && overlap(one.subnet, subnet)",
      "false",
    ],
    [
      "a subnet from the pool leaves a fixed address out",
      "kept && fixed.every((address) => subnetHas(kept, address))",
      "kept",
    ],
  ]),
  ...mutantsOf("lib/intent/plan/choose_tags.ts", [...PLAN_TAGS, ...PLAN_SUBNETS], [
    [
      "a fixed tag may be another network's",
      "if (holder !== undefined) throw takenFault(`${tagWord(encap)} ${tag}`, key, holder);",
      "",
    ],
    [
      "a tag outside of the pool is kept though it is asked about",
      "if (!isInPool && isNamedByFile(choosing, key, tenant.name)) return undefined;",
      "",
    ],
  ]),
  ...mutantsOf("lib/intent/plan/consistency.ts", PLAN_REFUSALS, [
    ["a tenant may have two default networks", "if (!isDefault) continue;", "continue;"],
    [
      "two endpoints of a network may have one MAC address",
      "if (endpoint.mac === undefined) continue;",
      "continue;",
    ],
    [
      "an endpoint may be in a group of another network",
      "if (group?.Network === endpoint.network) continue;",
      "if (group) continue;",
    ],
  ]),
  ...mutantsOf("lib/intent/plan/consistency.ts", REACH_CHECKS, [
    [
      "networks on every host may need more VLANs than there are",
      "Math.max(1, needed)",
      "1",
    ],
  ]),
  ...mutantsOf("lib/intent/plan/choose_owners.ts", OWNERS, [
    ["an owner loses its subnet to a later network", "if (one.before?.owner) assign(one);", ""],
    [
      "an aliased network with pods becomes the owner",
      "if (mayMove(choosing, key) && !desired.keepsAliases) continue;",
      "continue;",
    ],
    [
      "an aliased network never becomes the owner",
      "if (mayMove(choosing, key) && !desired.keepsAliases) continue;",
      "",
    ],
    [
      "an ownership is kept though the subnet has changed",
      "base === subnet.base && length === subnet.length ? record : undefined",
      "record",
    ],
    [
      "a network with an external gateway owns its subnet",
      'gatewayType !== "distributed" || !subnet',
      "!subnet",
    ],
    [
      "the subnet of an owner that cannot be read is free",
      "return isForeign ? [",
      "return false ? [",
    ],
  ]),
  ...mutantsOf("lib/intent/plan/choose_owners.ts", OWNERS, [
    ["going back makes aliased networks owners", " && !desired.keepsAliases", ""],
  ]),
  ...mutantsOf("lib/intent/plan/subnet_lists.ts", OWNERS, [
    ["owners are not listed", "return owner ? [own,", "return false ? [own,"],
    [
      "the subnet of an owner that cannot be read is dropped from the list",
      'list === keys.owners ? "" : ',
      "",
    ],
  ]),
  ...mutantsOf("lib/intent/plan/reach_checks.ts", REACH_CHECKS, [
    ["hosts' addresses may change under pods", "if (user) {", "if (false) {"],
    ["a host's number may be beyond the range", "number > lastHost", "number > lastHost + 1"],
    [
      "services and hosts may have one range",
      'if (other === undefined) return;\n  throw new Fault("usage", `ServiceCIDR',
      'if (true) return;\n  throw new Fault("usage", `ServiceCIDR',
    ],
    ["a subnet may be in the host range", "overlap(parseSubnet(text), subnet)", "false"],
    ["tunnels may be in the host range", '{ cidr: hostRange, what: "HostRange" }, ', ""],
    ["tunnels may be in an owner's subnet", ", ...owned]", "]"],
    ["tunnels may not be in an aliased subnet", "network.owner)", "true)"],
    [
      "a pod may have the gateway's MAC",
      "=== mac ? number : undefined",
      "=== mac ? undefined : undefined",
    ],
    [
      "the fabric may route an aliased subnet",
      "natOutgoing || aliasedBecause === undefined",
      "true",
    ],
    [
      "a route to a missing network of the tenant is accepted",
      "if (isMistake) throw",
      "if (false) throw",
    ],
    ["a tenant's default for routes must fit all", " && network.reachNetworks !== undefined", ""],
    ["routes may lead to networks that overlap", "[id, ...others].flatMap", "[id].flatMap"],
    ["services need no range", "if (serviceCidrs.length > 0) return [];", "if (true) return [];"],
    ["nobody hears of an alias without reason", "if (owner?.owner &&", "if (true ||"],
  ]),
  ...mutantsOf("lib/intent/reach_settings.ts", ["tests/unit/agent/reach/plan_reach_test.ts"], [
    [
      "one tenant opens the network of another",
      "(peer.tenant !== tenant && !peer.names.includes(id))",
      "false",
    ],
    ["a route leads one way only", "routes.get(other)?.add(id);", ""],
  ]),
  ...mutantsOf("lib/intent/field_rules.ts", REACH_CHECKS, [
    ["a distributed gateway needs no address", "if (gateway !== undefined) return;", "return;"],
    ["an external gateway may have reach", "Reach: reach.length > 0,", ""],
  ]),
  ...mutantsOf("lib/intent/plan/deletions.ts", [...DELETIONS, ...LIVE], [
    [
      "a network goes from under its endpoints",
      "(one) => networks.has(networkKeyOf(one)),",
      "() => false,",
    ],
    [
      "a host goes from under its pods",
      "attachments.filter(isStaying),",
      "[],",
    ],
  ]),
  ...mutantsOf("lib/intent/plan/changes.ts", [...DELETIONS, ...LIVE, ...COMMITS], [
    ["the subnet of live pods moves", ', subnet: "SubnetCIDR" }', " }"],
    ["the address of a live pod moves", 'endpoint: { address: "IpAddress" }', "endpoint: {}"],
    [
      "a claim stays when its record goes",
      "...releases.filter((claim) => !kept.has(claim)).map((key) => write(key, undefined)),",
      "",
    ],
    [
      "a child does not check that its parent is there",
      "...(after && parent ? [check(parent)] : []),",
      "",
    ],
  ]),
  ...mutantsOf("lib/intent/plan/order.ts", [...PLAN_SUBNETS, ...COMMITS], [
    [
      "a claim is taken before it is released",
      "if (other !== undefined) sets.join(other, node);",
      "",
    ],
    [
      "children come before their parents, and go after them",
      'if (verb !== "delete") return [[above, node]];',
      'if (verb !== "delete") return [[node, above]];',
    ],
    [
      "an overlapping subnet does not wait for the one that goes",
      'if (drafts[from]?.verb === "delete") edges.push([from, to]);',
      'if (drafts[from]?.verb === "delete") continue;',
    ],
  ]),
  ...mutantsOf("lib/intent/plan_commits.ts", [
    ...COMMITS,
    "tests/unit/intent/commits_order_test.ts",
  ], [
    [
      "a commit checks what an earlier one of the plan has changed",
      "checks.set(check.key, last ? checkOf(check.key, last) : check);",
      "checks.set(check.key, check);",
    ],
    [
      "an endpoint's commit does not wait for its network's",
      "if (!isParallel) order.close(commit);",
      "",
    ],
    ["an empty list of subnets is written", "value: list.size > 0 ? value : undefined", "value"],
  ]),
  ...mutantsOf("lib/intent/plan/commit_batches.ts", COMMITS, [
    [
      "a commit holds more than a store takes",
      "load.checks.size + load.writes.size <= limits.operations",
      "true",
    ],
    ["a commit is longer than a store takes", "totalBytes(load) <= limits.bytes", "true"],
  ]),
  ...mutantsOf("lib/intent/choice/choose.ts", CHOICE, [
    [
      "a namespace uses a network that is not for it",
      "throw notPermitted(pod, reason,",
      "void notPermitted(pod, reason,",
    ],
    [
      "a pod of which the labels are not known is taken by a selector",
      "isDecided: !each.includes(undefined)",
      "isDecided: true",
    ],
    [
      "the first of two selectors takes a pod",
      "if (matching.length > 1) throw",
      "if (matching.length > 9) throw",
    ],
    [
      "a default network takes pods before selectors do",
      "if (matching[0]) return",
      "if (matching[0] && !networks.some((one) => one.default)) return",
    ],
  ]),
  ...mutantsOf("lib/intent/choice/requested_network.ts", CHOICE, [
    [
      "a namespace's word beats its pod's",
      "tenant: own.tenant ?? shared.tenant",
      "tenant: shared.tenant ?? own.tenant",
    ],
    [
      "a label and an annotation may differ",
      "if (label && annotation && label !== annotation) {",
      "if (false) {",
    ],
  ]),
  ...mutantsOf("lib/intent/file/check.ts", ["tests/unit/intent/network_refusals_test.ts"], [
    [
      "subnets of one file may overlap",
      'if (other) {\n      throw new Fault("usage", `${at(index)}.SubnetCIDR',
      'if (false) {\n      throw new Fault("usage", `${at(index)}.SubnetCIDR',
    ],
  ]),
  ...mutantsOf("lib/intent/file/fold.ts", FILE, [
    [
      "a key that is given in two spellings is read once",
      "if (earlier) throw givenTwice",
      "if (false) throw givenTwice",
    ],
    ["a strict reading ignores unknown keys", "if (notes.strict) throw", "if (false) throw"],
  ]),
  ...mutantsOf("lib/intent/file/parse_json.ts", ["tests/unit/intent/file/parse_json_test.ts"], [
    ["a key that stands twice in an object is read once", 'if (keys.has(key)) return "twice";', ""],
  ]),
  ...mutantsOf("lib/intent/file/policy_rules.ts", ["tests/unit/intent/file/policy_rules_test.ts"], [
    [
      "a port of no protocol is read",
      'if (Port > 0 && Protocol !== "tcp" && Protocol !== "udp") {',
      "if (false) {",
    ],
  ]),

  // --- policy: the compiler

  ...mutantsOf("lib/policy/network_policy.ts", POLICY, [
    [
      "policyTypes leaves egress out by default",
      'return egress.length > 0 ? ["in", "out"] : ["in"]',
      'return ["in"]',
    ],
    [
      "a pod selector finds pods of every namespace",
      "const only = namespaceSelector ? undefined : namespace;",
      "const only = undefined;",
    ],
  ]),
  ...mutantsOf("lib/policy/flows/rule_parts.ts", POLICY, [
    [
      "exceptions of a block are forgotten",
      "blockWithout(peer.block, peer.excepts)",
      "[peer.block]",
    ],
  ]),
  ...mutantsOf("lib/policy/flows/host_flows.ts", POLICY, [
    [
      "peers of another tenant with the same address get in",
      "if (!isPeerOf(inNetwork.subject, peer) || !isNamed",
      "if (!isNamed",
    ],
    [
      "allow goes before deny at one priority",
      '(action === "deny" ? 1 : 0)',
      '(action === "allow" ? 1 : 0)',
    ],
  ]),
  ...mutantsOf("lib/policy/blocks.ts", POLICY, [
    [
      "the last port of a range is left out",
      "for (let at = first; at <= last;)",
      "for (let at = first; at < last;)",
    ],
  ]),
  ...mutantsOf("lib/policy/groups.ts", POLICY, [
    [
      "a change of labels keeps old members",
      "if (known && !(isSame && now.has(group))) this.#leave(group, known);",
      "if (known && !isSame && !now.has(group)) this.#leave(group, known);",
    ],
  ]),

  // --- policy: the pipeline

  ...mutantsOf("lib/policy/flows/pipeline.ts", PIPELINE, [
    ["IPv6 reaches a guarded pod", '    [entry(30, `ipv6,reg0=${hex(tag)}`), "drop"],\n', ""],
    [
      "a frame to another address reaches a guarded pod",
      '    [entry(30, `ip,reg0=${hex(tag)},dl_dst=${mac}`), "drop"],\n',
      "",
    ],
    [
      "multicast reaches a guarded pod",
      "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00",
      "dl_dst=ff:ff:ff:ff:ff:ff",
    ],
    [
      "TCP of unknown direction needs only one of them",
      "${TCP_REPLY},load:0x1->NXM_NX_REG8[],${CHECK_RULES}",
      "${TCP_REPLY},${CHECK_RULES}",
    ],
    [
      "the other direction is judged again and again",
      "`load:0->NXM_NX_REG8[],${TCP_REQUEST},${CHECK_RULES}`",
      "`${TCP_REQUEST},${CHECK_RULES}`",
    ],
    [
      "an answer of TCP is judged as a question",
      '"tp_src=" + LOW, "tp_dst=" + HIGH, `${TCP_REPLY}',
      '"tp_src=" + LOW, "tp_dst=" + HIGH, `${TCP_REQUEST}',
    ],
    [
      "a datagram that may be an answer is remembered",
      "`${UDP_REQUEST},${CHECK_RULES}`",
      "`${UDP_REQUEST},${COMMIT},${CHECK_RULES}`",
    ],
    [
      "what a guarded pod sends is not judged",
      "    [entry(20, `ip,reg0=${hex(tag)},nw_src=${address}`), resubmit(TABLES.track)],\n",
      "",
    ],
    [
      "a known connection passes whatever the rules say now",
      '`${parties(...TRACKED, `${protocol(number)},${port("NXM_NX_CT_TP_DST[]")}`)},${CHECK_RULES}`',
      "resubmit(TABLES.allowed)",
    ],
    [
      "a network that is handed over early is open",
      '[TABLES.entry, 0, "", "drop"]',
      '[TABLES.entry, 0, "", "NORMAL"]',
    ],
    [
      "denied packets are forwarded",
      "->NXM_NX_REG5[],${resubmit(TABLES.denied)}",
      "->NXM_NX_REG5[],${resubmit(TABLES.allowed)}",
    ],
    ["connections are not remembered", "ct(commit,table=", "ct(table="],
    [
      "later fragments pass without the first one",
      '"ct_state=-inv+trk,ip,nw_frag=later", COMMIT_AND_RETURN]',
      '"ct_state=-inv+trk,ip,nw_frag=later", "NORMAL"]',
    ],
    [
      "an allowed first fragment does not wait for the others",
      '[TABLES.allowed, 15, "ip,nw_frag=first", COMMIT_AND_RETURN]',
      '[TABLES.allowed, 15, "ip,nw_frag=first", "NORMAL"]',
    ],
  ]),

  // --- agent

  ...mutantsOf("lib/agent/pods/steps.ts", ["tests/unit/agent/pods/steps_test.ts"], [
    ["a port with foreign external_ids is taken for ours", "...Object.keys(row.externalIds)]", "]"],
    [
      "attaching comes before detaching",
      '[\n    ...orphans.map((name): Step => ({ do: "detach", name, why: "no attachment has it" })),\n    ...desired.flatMap((one) => stepsOf(one, { rowByName, ends, podEnds })),\n  ]',
      '[\n    ...desired.flatMap((one) => stepsOf(one, { rowByName, ends, podEnds })),\n    ...orphans.map((name): Step => ({ do: "detach", name, why: "no attachment has it" })),\n  ]',
    ],
    [
      "a port that Open vSwitch could not open is left so",
      "!row || row.ofport === undefined",
      "!row",
    ],
    ["a changed MTU makes a port anew", 'new Set(["mtu", "gateway", "alias"])', "new Set([])"],
    [
      "a pair of which the pod end is gone stays",
      'if (podEnds.get(name) === "gone")',
      "if (podEnds.get(name) === undefined && podEnds.has(name))",
    ],
    [
      "a warm port whose set-up a crash has interrupted is taken for complete",
      "podEnds.has(name) || isUnfinished(attachment)",
      "podEnds.has(name)",
    ],
  ]),
  ...mutantsOf("lib/agent/pods/local_tags.ts", ["tests/unit/agent/pods/local_tags_test.ts"], [
    ["restore() overwrites a tag that is in use", "if (!this.#tagByNetwork.has(key)) this", "this"],
    [
      "two networks share a local tag",
      "if (!isTaken(tag) && !this.#isHeldByOther(tag, key)) return tag;",
      "if (!isTaken(tag)) return tag;",
    ],
    ["a local tag may be a tenant's VLAN", "(tag) => isPooled(tag) || isClaimed(tag)", "isClaimed"],
    [
      "a local tag stays where a VLAN network has it",
      "(isMine && !isClaimed(held) ? held : undefined)",
      "(isMine ? held : undefined)",
    ],
  ]),
  ...mutantsOf("lib/agent/pods/claim.ts", ["tests/unit/agent/pods/claim_test.ts"], [
    [
      "an older sandbox keeps an endpoint that a newer one claims",
      "(isReplaced(one) || chosen.has(endpointKeyOf(one)))",
      "isReplaced(one)",
    ],
    ["each interface has a default route", "gateway && isFirst", "gateway"],
    [
      "an endpoint that moves stays in its generation",
      "return (bound?.generation ?? 0) + 1;",
      "return bound?.generation ?? 1;",
    ],
    [
      "a claim does not check its network",
      "if (!checks.some((check) => check.key === networkKey)) {",
      "if (false) {",
    ],
  ]),
  ...mutantsOf("lib/agent/gc/grace_period.ts", ["tests/unit/agent/gc/grace_period_test.ts"], [
    [
      "a clock that jumps ahead ends the grace period",
      "Math.min(Math.max(seenAt - before.seenAt, 0), MAX_STEP_MS)",
      "Math.max(seenAt - before.seenAt, 0)",
    ],
    [
      "a clock that jumps back counts",
      "Math.max(seenAt - before.seenAt, 0)",
      "Math.abs(seenAt - before.seenAt)",
    ],
    [
      "a sandbox that came back is still counted as missing",
      "this.#missing.delete(id);\n      return false;",
      "return false;",
    ],
    [
      "a sandbox is released when it is missing for the first time",
      "before !== undefined && missingMs >= this.#graceMs",
      "missingMs >= this.#graceMs || before === undefined",
    ],
  ]),
  ...mutantsOf("lib/agent/pods/endpoint_release.ts", [
    "tests/unit/agent/pods/endpoint_release_test.ts",
  ], [
    [
      "an endpoint of a pod that lives elsewhere by now is released",
      "if (endpoint.bound?.host !== host || endpoint.bound.generation !== generation) return false;",
      "",
    ],
  ]),

  // --- agent: set-up, reconciliation, garbage collection, server

  ...mutantsOf("lib/ovs/ports/gratuitous_arp.ts", [
    "tests/unit/ovs/ports/gratuitous_arp_test.ts",
  ], [
    ["gratuitous ARPs are seconds apart", "const PAUSE_MS = 10;", "const PAUSE_MS = 10_000;"],
    ["no gratuitous ARP is sent", "await this.#send(port, frames).catch(() => {});", ""],
    ["ports are announced that their pods have left", "!left.has(port.name)", "true"],
  ]),
  ...mutantsOf("lib/ovs/ports/port_changes.ts", ["tests/unit/ovs/ports/port_changes_test.ts"], [
    ["removed ports are announced", "this.withdrawAnnouncements(names);", ""],
  ]),
  ...mutantsOf("lib/ovs/ovsdb/port_rows.ts", ["tests/unit/ovs/ovsdb/port_rows_test.ts"], [
    ["a port keeps what its interface was", "known && known.link === link", "known"],
  ]),
  ...mutantsOf("lib/agent/pods/warm_pool.ts", ["tests/unit/agent/pods/warm_pool_test.ts"], [
    ["all links are looked at for each set-up", "if (!this.#isAnyLow()) continue;", ""],
    [
      "a pool that is low stays so",
      "return networks.some((one) => isLow",
      "return networks.every((one) => !isLow",
    ],
  ]),
  ...mutantsOf("lib/cli/get.ts", ["tests/unit/cli/get_test.ts"], [
    [
      "-o wide shows no more than a table",
      'options.format === "wide" ? WIDE[kind] ?? [] : []',
      "[]",
    ],
  ]),
  ...mutantsOf("lib/agent/pods/endpoint_choice.ts", [
    "tests/unit/agent/pods/endpoint_holder_test.ts",
  ], [
    [
      "a namesake takes the endpoint of a running pod",
      "return holder !== undefined && !dead.has(holder.id);",
      "return false;",
    ],
    [
      "a refused pod is not remembered",
      "deps.sandboxes.unmatched.add(left, fault.message, sandbox.labels);",
      "",
    ],
  ]),
  ...mutantsOf("lib/agent/pods/endpoint_holder.ts", [
    "tests/unit/agent/pods/endpoint_holder_test.ts",
  ], [
    ["a runtime that does not answer counts as proof", ".catch(() => true)", ".catch(() => false)"],
    [
      "a sandbox does not get what AttachUUID assigns to it",
      "if (isBoundTo(sandbox, endpoint))",
      "if (false)",
    ],
    [
      "pods of other hosts hold nothing",
      "one.host !== host || await",
      "one.host === host && await",
    ],
  ]),
  ...mutantsOf("lib/agent/pods/follow_network.ts", [
    "tests/unit/agent/pods/follow_network_test.ts",
  ], [
    ["running pods keep their MTU", "mtus.settledOf(network) ?? one.mtu", "one.mtu"],
    [
      "running pods keep their gateway",
      "hasDefaultRoute(one, all) ? network.gateway : undefined",
      "one.gateway",
    ],
  ]),
  ...mutantsOf("lib/agent/pods/setup.ts", [
    SETUP,
    "tests/unit/agent/pods/late_attach_test.ts",
  ], [
    [
      "a late set-up takes an endpoint from another sandbox",
      "isLate && claim.stale.some((one) => one.sandbox !== sandbox.id)",
      "false",
    ],
    [
      "a late set-up attaches a pod that was torn down",
      "if (!isLate) sandboxes.tornDown.delete",
      "sandboxes.tornDown.delete",
    ],
    [
      "a pod in the host's network is attached",
      'if (sandbox.isHostNetwork) return { outcome: "host-network", attachments: [] };',
      "",
    ],
    ["a pod that is attached stays unmatched", "sandboxes.unmatched.remove(sandbox.id);", ""],
    [
      "a pod that nothing names is not remembered",
      "sandboxes.unmatched.add({ ...pod, sandbox: id }, reason, labels);",
      "",
    ],
  ]),
  ...mutantsOf("lib/agent/pods/commit_claim.ts", ["tests/unit/agent/pods/commit_claim_test.ts"], [
    ["a claim is not persisted", "isCommitted ? store.persist() :", ""],
    [
      "a claim on any endpoint is kept while the store is unreachable",
      "if (!local.attachments.every((one) => isOurs(deps, one))) throw error;",
      "",
    ],
    [
      "a held address is claimed while the store is unreachable",
      "!endpoint || endpoint.dynamic?.heldSince !== undefined",
      "!endpoint",
    ],
    [
      "a claim is kept for later though the store is this host's alone",
      " || !store.isShared) throw error;",
      ") throw error;",
    ],
  ]),
  ...mutantsOf("lib/agent/pods/apply_claim.ts", [
    SETUP,
    "tests/unit/agent/pods/apply_claim_test.ts",
  ], [
    ["a failed set-up keeps its claim", "await releaseAttachments(deps, fresh);", ""],
    [
      "a failed set-up keeps its port",
      "await (await deps.plumbing.detach(names)).linksGone;",
      "void names;",
    ],
    [
      "a set-up that cannot have its policies keeps its claim",
      "await rollBack(deps, fresh, []);",
      "",
    ],
    [
      "an attachment that was removed meanwhile is recorded as ready",
      "if ((documents.get(key)?.value as AttachmentRecord | undefined)?.id === one.id) continue;",
      "if (key && one) continue;",
    ],
    [
      "an attachment is recorded as ready before its links are there",
      "if (missing.delete(step) && missing.size === 0) onLinked();",
      "onLinked();",
    ],
    [
      "a pod's port comes before its policies",
      "await deps.policies.ensureFor(() => tagsOf(deps, claim.attachments));",
      "",
    ],
  ]),
  ...mutantsOf("lib/agent/pods/plumbing.ts", [
    SETUP,
    "tests/unit/agent/pods/plumbing_test.ts",
  ], [
    [
      "a link stays where its port is refused",
      "undo.defer(() => withinUndoLimit(deps, deps.links.removeLinks([pair.hostEnd])));",
      "",
    ],
    [
      "a port stays where the answer to its addition is lost",
      "undo.defer(() => withinUndoLimit(deps, deps.switch.removePorts([pair.hostEnd])));",
      "",
    ],
    [
      "a default route goes beside a foreign interface's",
      "hasForeign: attachment.gateway !== undefined && await hasForeignLink(deps, attachment),",
      "hasForeign: false,",
    ],
    ["our own interface is taken for a foreign one", " && !ours.includes(name)", ""],
  ]),
  ...mutantsOf("lib/agent/pods/release.ts", [
    "tests/unit/agent/pods/release_test.ts",
    "tests/unit/agent/pods/teardown_test.ts",
    RELEASE,
  ], [
    [
      "a record that is another attachment's by now is deleted",
      "attachments.some((one) => one.id === (document?.value as AttachmentRecord | undefined)?.id)",
      "document !== undefined",
    ],
    [
      "endpoints that were made for a pod stay when it goes",
      "...present.map(({ key }) => ({ key, value: undefined })), ...endpoints.writes]",
      "...present.map(({ key }) => ({ key, value: undefined }))]",
    ],
    [
      "a teardown is forgotten while the store is unreachable",
      "if (release) store.addPending(name, release.checks, release.writes);",
      "",
    ],
  ]),
  ...mutantsOf("lib/agent/pods/teardown.ts", [
    "tests/unit/agent/pods/teardown_test.ts",
    SETUP,
    RELEASE,
  ], [
    ["a torn down pod is attached again", "sandboxes.tornDown.add(request.sandbox);", ""],
    ["policies keep a pod that is torn down", "deps.policySignal.notify();", ""],
    [
      "an older generation of an endpoint is taken for bound",
      "endpoint.bound.generation === one.generation &&",
      "true &&",
    ],
    [
      "an attachment keeps an address that is no longer its endpoint's",
      "one.addresses.map(bareAddress).includes(endpoint.address) &&",
      "true &&",
    ],
    [
      "an address that does not work yet is answered",
      '.filter((one) => one.state === "ready")\n    .sort',
      ".sort",
    ],
  ]),
  ...mutantsOf("lib/agent/reconcile/reconcile.ts", [
    "tests/unit/agent/reconcile/reconcile_test.ts",
    "tests/unit/agent/gc/safety_checks_test.ts",
    "tests/unit/agent/gc/evicted_pods_test.ts",
    "tests/unit/agent/gc/sandbox_liveness_test.ts",
    "tests/unit/agent/gc/unrecorded_pods_test.ts",
  ], [
    ["an empty store detaches all pods", "if (await isStoreLost(deps, seen)) return 0;", ""],
    [
      "pods are detached while their endpoints may still come",
      "if (await deps.unrecordedPods.areWaiting(seen)) return 1;",
      "",
    ],
    ["lost records are not restored", "await restoreAttachments(deps, seen);", ""],
    [
      "pods of a removed host that runs on are forgotten",
      "await noteEvicted(deps, rows.filter(({ name }) => removed.has(name)));",
      "",
    ],
    ["late pods are not attached", "await deps.attachLatePods();", "0;"],
    [
      "a crash before `ready` is not repaired",
      "[...steps, ...unfinished(desired, steps)]",
      "[...steps]",
    ],
    [
      "lost flows are not restored",
      "await plumbing.syncFlows(desired, new Set(actual.rows.map((row) => row.name)));",
      "",
    ],
  ]),
  ...mutantsOf("lib/agent/reconcile/drift_watch.ts", [
    "tests/unit/agent/reconcile/drift_watch_test.ts",
  ], [
    [
      "a host end that is down is left so",
      "end !== undefined && (!end.isUp || end.mtu !== one.mtu)",
      "false",
    ],
    [
      "a pod that was torn down before its turn is repaired",
      'if (now?.id !== one.id || now.state !== "ready") return;',
      "if (!now) return;",
    ],
    ["a walk looks into each pod", "at % walks === walk % walks", "at >= 0"],
    [
      "a process id that was reused is repaired",
      "if (!wrong || !await runtimes.isAlive(now)) return;",
      "if (!wrong) return;",
    ],
  ]),
  ...mutantsOf("lib/agent/gc/sandbox_liveness.ts", [
    "tests/unit/agent/gc/sandbox_liveness_test.ts",
  ], [
    ["no answer is taken for a dead sandbox", "return true;\n  }\n}", "return false;\n  }\n}"],
    [
      "an infra container that died is released before its kubelet replaces it",
      'return found.pod ? "missing" : "dead";',
      'return "dead";',
    ],
    [
      "a pod that no runtime knows is dead at once",
      'if (!containers.isPlain(sandbox)) return "missing";',
      "",
    ],
    ["no list is taken for an empty one", "!listed || listed.some", "listed?.some"],
    [
      "a torn down sandbox is attached again",
      "if (isHere) await deps.setUpLate",
      "await deps.setUpLate",
    ],
  ]),
  ...mutantsOf("lib/agent/gc/safety_checks.ts", ["tests/unit/agent/gc/safety_checks_test.ts"], [
    ["an empty store is believed while pods run", "if (pods === 0) return false;", "return false;"],
    [
      "a store with documents is taken for lost",
      "if (!isBlank(deps.store.documents)) return false;",
      "",
    ],
    ["a sandbox that is missing is logged each time", "isMarked && !wasMarked", "isMarked"],
  ]),
  ...mutantsOf(
    "lib/agent/pods/new_addresses.ts",
    ["tests/unit/agent/pods/new_addresses_test.ts"],
    [
      ["a pod keeps the MAC of its former address", "mac === macOf(", "mac !== macOf("],
      [
        "the former port stays beside the new one's address",
        "const { linksGone } = await plumbing.detach([hostEndOf(one)]);",
        "const linksGone = Promise.resolve();",
      ],
      [
        "only the address counts, not its subnet",
        "one.addresses.includes(address)",
        'one.addresses[0]?.startsWith(endpoint!.address + "/")',
      ],
      [
        "an unreachable store stops the reconciliation",
        "if (!isUnreachable(error)) throw error;",
        "throw error;",
      ],
    ],
  ),
  ...mutantsOf("lib/intent/plan_restore.ts", ["tests/unit/agent/store/history_test.ts"], [
    [
      "a taken address moves a pod to a third one",
      "isKept ? { address",
      "isKept && !known ? { address",
    ],
  ]),
  ...mutantsOf("lib/agent/gc/release_unwanted.ts", [RELEASE], [
    [
      "what was attached since the check is released",
      'stateById.get(id) ?? "alive"',
      'stateById.get(id) ?? "dead"',
    ],
    [
      "records go though their ports stay",
      "await deps.plumbing.detach(unwanted.map(hostEndOf));",
      "",
    ],
    [
      "a dead pod is remembered as one that runs",
      'isUnnamed && stateOf(one) === "alive"',
      "isUnnamed",
    ],
  ]),
  ...mutantsOf(
    "lib/agent/gc/restore_endpoints.ts",
    ["tests/unit/agent/gc/lost_endpoints_test.ts"],
    [
      [
        "an endpoint is restored for a sandbox that has ended",
        "if (!isHere || !await runtimes.isAlive(one)) return;",
        "if (!isHere) return;",
      ],
      ["an endpoint is restored after its teardown", "if (!isHere || !await", "if (!await"],
      [
        "an endpoint whose attachment is lost, too, is not restored",
        "[...recorded, ...unrecorded]",
        "[...recorded]",
      ],
      [
        "a pod that is alive loses its address to another one",
        "if (await runtimes.isAlive(attachment)) return;",
        "",
      ],
      [
        "a pod of another host loses its address",
        "if (!holder?.dynamic || (holder.bound?.host ?? host) !== host) return undefined;",
        "if (!holder?.dynamic) return undefined;",
      ],
      [
        "an intent's endpoint loses its address",
        "if (!holder?.dynamic || (holder.bound?.host ?? host) !== host) return undefined;",
        "if (!holder || (holder.bound?.host ?? host) !== host) return undefined;",
      ],
    ],
  ),
  ...mutantsOf("lib/agent/gc/restore_attachments.ts", [
    "tests/unit/agent/gc/restore_attachments_test.ts",
  ], [
    [
      "a record is restored whose port has gone",
      "if (!isThere || !planBinding(deps, one)) return;",
      "if (!planBinding(deps, one)) return;",
    ],
    [
      "a record of a dead sandbox is restored",
      "if (!await isAliveOrUnknown(deps, one)) return;",
      "",
    ],
    [
      "two sandboxes have one endpoint",
      "if (!binding || holder || documents.has(attachmentKey(one))) return undefined;",
      "if (!binding || documents.has(attachmentKey(one))) return undefined;",
    ],
    [
      "an endpoint that another pod is bound to is taken",
      "if (!endpoint || endpoint.bound || !isAsWritten(documents, host, one)) return undefined;",
      "if (!endpoint || !isAsWritten(documents, host, one)) return undefined;",
    ],
    [
      "an endpoint with another address is bound to a running pod",
      "addresses.includes(`${endpoint.address}/${length}`) && ",
      "",
    ],
    [
      "an endpoint is bound to a pod where it is not pinned to",
      " && [undefined, host].includes(pinOf(endpoint))",
      "",
    ],
  ]),
  ...mutantsOf("lib/agent/gc/evicted_pods.ts", ["tests/unit/agent/gc/evicted_pods_test.ts"], [
    ["a pod that was torn down is remembered", " || tornDown.has(evicted.sandbox)", ""],
    [
      "a pod whose endpoint another host has is remembered",
      "if (findEndpoint(documents, evicted)?.bound) continue;",
      "",
    ],
    [
      "a pod that has ended is remembered",
      "if (!sandbox?.isRunning) continue;",
      "if (!sandbox) continue;",
    ],
  ]),
  ...mutantsOf("lib/agent/gc/collect_local.ts", ["tests/unit/agent/gc/collect_local_test.ts"], [
    ["a dry run releases", "if (isDry) {", "if (false) {"],
    [
      "what is back is waited for",
      "!ids.has(id) || !gracePeriod.isMarked(id)",
      "!ids.has(id)",
    ],
  ]),
  ...mutantsOf("lib/agent/pods/late_attach.ts", ["tests/unit/agent/pods/late_attach_test.ts"], [
    [
      "an endpoint is taken from another sandbox",
      "!holderOf(endpoint) && (isOurs",
      "(isOurs",
    ],
    [
      "an endpoint is taken from another host",
      "[undefined, host].includes(bound?.host)",
      "bound !== null",
    ],
    [
      "a pod that was torn down is attached",
      ".filter(({ sandbox }) => !tornDown.has(sandbox));",
      ";",
    ],
    [
      "what cannot be attached is tried again without a pause",
      "return backoff.isDue(",
      "return true || backoff.isDue(",
    ],
    ["a failure is logged at each try", "if (logDedup.isNew(key, message)) {", "if (true) {"],
    [
      "a conflict is tried again each second",
      'return code === "exhausted" || code === "conflict";',
      "return false;",
    ],
  ]),
  ...mutantsOf("lib/agent/pods/follow_runtime.ts", [
    "tests/unit/agent/pods/follow_runtime_test.ts",
  ], [
    ["each event leads to a reconciliation", "if (isWork) this", "this"],
    [
      "the end of an attached sandbox goes unnoticed",
      "touched.some((id) => this.#isAttached(id)) ||",
      "",
    ],
    [
      "a container that starts again stays torn down",
      'if (kind === "started" && role === "plain")',
      "if (false)",
    ],
  ]),
  ...mutantsOf(
    "lib/agent/pods/held_addresses.ts",
    ["tests/unit/agent/pods/delete_expired_test.ts"],
    [
      [
        "an address is deleted though a set-up has taken it",
        ": isExpired(now, present, clock.wallMs()))",
        ": true)",
      ],
      [
        "an endpoint without attachment is deleted without a grace period",
        'orphaned.filter((one) => orphans.isDue(keyOf(one), "missing"))',
        "orphaned",
      ],
    ],
  ),
  ...mutantsOf("lib/agent/fabric/plan_fabric.ts", PLAN_REACH, [
    [
      "a network with a distributed gateway is only where it has pods",
      "for (const network of distributedNetworksOf(documents))",
      "for (const network of [] as NetworkRecord[])",
    ],
  ]),
  ...mutantsOf("lib/reach/host_side.ts", HOST_SIDE, [
    [
      "a pod's packet to its own tenant's pod leaves by the uplink",
      "...more.map((to): PodRoute => ({ to, source, mtu: lowest })),",
      "",
    ],
  ]),
  ...mutantsOf("lib/reach/network_rows.ts", ["tests/unit/reach/bridge_flows_test.ts"], [
    ["an untranslated packet passes for a twin's", '"-inv+trk"', '"+trk"'],
    ["an alias is known to other pods", 'isOwner ? "+trk" : TRANSLATED', '"+trk"'],
  ]),
  ...mutantsOf("lib/reach/packet_filter.ts", HOST_SIDE, [
    [
      "a host's own packet to a service leaves with an address that is for pods",
      "  ip saddr { ${node}, ${nat} } masquerade\n",
      "",
    ],
    ["answers of other hosts pass by", "  ip saddr @pods ip daddr @hosts masquerade\n", ""],
    ["answers of services pass by", "  ip saddr @pods ct status dnat masquerade\n", ""],
    ["a stranger is a service", "  ip saddr @service_cidrs counter drop\n", ""],
    ["a stranger is a pod", "  ip saddr @leaving counter drop\n", ""],
    ["a stranger is a host", "  ip saddr @nodes counter drop\n", ""],
    [
      "pods wait for services without backends",
      "  ip saddr @services ip daddr @service_cidrs accept\n",
      "",
    ],
    [
      "what nobody refuses comes back to the switch",
      "ip daddr @service_cidrs counter drop\n}\nchain input",
      "ip daddr @service_cidrs\n}\nchain input",
    ],
  ]),
  ...mutantsOf("lib/reach/packet_filter.ts", ["tests/unit/reach/reach_property_test.ts"], [
    [
      "a twin's packets to itself find the owner",
      "snat to ip saddr . ip daddr map @hairpins\n  ",
      "",
    ],
    [
      "strangers come in by any NodePort",
      "ct status dnat ip daddr @ports accept",
      "ct status dnat accept",
    ],
    [
      "pods reach their node without the word",
      "  ip saddr @host accept\n  counter drop\n}\n`",
      "  accept\n}\n`",
    ],
    [
      "pods reach the outside by the word for services",
      "ip saddr @services ct original ip daddr @service_cidrs accept\n  oifname",
      "ip saddr @services accept\n  oifname",
    ],
  ]),
  ...mutantsOf("lib/agent/reach/plan_reach.ts", PLAN_REACH, [
    ["pods that have moved are here, too", ".filter((one) => isNewest(documents, one))", ""],
    [
      "the operator's tunnel address is not heeded",
      "view.vtepIp ?? recorded : recorded",
      "recorded : recorded",
    ],
    ["a pod of an owner has an alias", "aliasedBecause === undefined ? undefined : range", "range"],
    ["pods are in no order", "a.address < b.address ? -1 : 1", "1"],
  ]),
  ...mutantsOf("lib/agent/reach/host_number.ts", ["tests/unit/agent/reach/host_number_test.ts"], [
    ["two hosts have one number", "checkOf(documents, claim), ", ""],
    ["a host's number changes", "if (isHostNumbered(documents, host)) return undefined;", ""],
    [
      "the flag of a second host changes the range",
      "if (wish === undefined || wish === known)",
      "if (true)",
    ],
    ["the last number is not given", "last: lastHost }", "last: lastHost - 1 }"],
  ]),
  ...mutantsOf("lib/agent/store/remove_host_plan.ts", [
    "tests/unit/agent/store/remove_host_test.ts",
  ], [
    [
      "a removed host keeps its number",
      "return [...endpoints, ...numberRemoval(documents, host), ...reportRemoval(documents, host)];",
      "return [...endpoints, ...reportRemoval(documents, host)];",
    ],
    [
      "a removed host takes another's claim with it",
      "const gone = isOwn ? [key, claim] : [key];",
      "const gone = [key, claim];",
    ],
  ]),
  ...mutantsOf("lib/agent/fabric/fabric_sync.ts", ["tests/unit/agent/fabric/fabric_sync_test.ts"], [
    [
      "the uplink takes the default route's device",
      "if (taken.includes(uplink.device)) return",
      "if (false) return",
    ],
    ["an empty store takes the fabric down", "if (isBlank(documents)) return;", ""],
    ["fabric is set at each set-up", "if (json === this.#installed && !isFresh) return;", ""],
    [
      "drift is reported again and again",
      "this.#counts = counts;\n      return hasDrifted;",
      "return hasDrifted;",
    ],
    ["a problem is logged at each try", "if (fault?.message === before?.message) return;", ""],
  ]),
  ...mutantsOf("lib/agent/server/server.ts", ["tests/unit/agent/server/server_test.ts"], [
    [
      "each fault is answered as an internal error",
      "{ status: FAULT_CODES[code].http }",
      "{ status: 500 }",
    ],
  ]),
  ...mutantsOf("lib/agent/server/server.ts", ["tests/unit/agent/server/server_lists_test.ts"], [
    [
      "`get differences` shows what was deleted",
      'if (kind === "differences") await',
      "if (false) await",
    ],
  ]),
  ...mutantsOf("lib/agent/server/server.ts", ["tests/unit/agent/server/intent_requests_test.ts"], [
    ["an applied intent waits for the next reconciliation", "reconcileSignal.notify();", ""],
    [
      "policies are not installed when an apply is answered",
      "await policies.ensure().catch(() => policies.signal.notify());",
      "",
    ],
    [
      "a plan is applied",
      "return await plan(deps, intentOf(body));",
      "return await applyIntent(deps, intentOf(body));",
    ],
    [
      "a dry run repairs",
      "repair(deps, body.dryRun === true, report)",
      "repair(deps, false, report)",
    ],
  ]),
  ...mutantsOf("lib/agent/server/launcher_calls.ts", [
    "tests/unit/agent/server/launcher_calls_test.ts",
  ], [
    ["another agent's call is answered", "socket !== undefined && socket !== own", "false"],
    ["an error that passes is final", "answer.isTransient ? DECLINED() : ", ""],
    ["a configuration without end is executed", 'search === "?endless" ? NO_END : ', ""],
    [
      "lengths are of characters",
      "return new TextEncoder().encode(text).length;",
      "return text.length;",
    ],
    ["STATUS prints its error in words", ' || command === "STATUS"', ""],
    ["a variable may have any value", "(value) => VALUE.test(value)", "() => true"],
  ]),
  ...mutantsOf("lib/agent/server/request_bodies.ts", [
    "tests/unit/agent/server/request_bodies_test.ts",
  ], [
    ["a body may be of any length", "bytes += chunk.length;", ""],
    ["a list is taken for an object", " && !Array.isArray(value)", ""],
    ["any truthy value forces", "force: body.force === true", "force: Boolean(body.force)"],
    ["a port may be over 65535", "|| port > 65_535", ""],
  ]),
  ...mutantsOf("lib/agent/pods/claim.ts", ["tests/unit/agent/cni/cni_add_test.ts"], [
    [
      "an ADD takes the container's other interfaces away",
      "(!place.cni || interfaces.has(one.interface))",
      "true",
    ],
  ]),
  ...mutantsOf("lib/agent/store/documents.ts", ["tests/unit/agent/cni/cni_add_test.ts"], [
    [
      "containers whose ids begin alike are one",
      "(!one.cni && isSandboxId(sandbox) && one.sandbox.startsWith(sandbox))",
      "one.sandbox.startsWith(sandbox)",
    ],
  ]),
  ...mutantsOf("lib/agent/cni/cni_choice.ts", ["tests/unit/agent/cni/cni_add_test.ts"], [
    ["a second ADD gets the endpoint of the first", "!inUse.has(keyOf(one)) &&", ""],
    [
      "an endpoint with an Interface is for any",
      "(one.interface === undefined || one.interface === name)",
      "true",
    ],
  ]),
  ...mutantsOf("lib/agent/cni/cni_add.ts", ["tests/unit/agent/cni/cni_add_test.ts"], [
    [
      "a retry trusts what was recorded",
      "await deps.applyClaim({ ...NOTHING, attachments: [before] });",
      "",
    ],
  ]),
  ...mutantsOf("lib/agent/cni/cni_del.ts", ["tests/unit/agent/cni/cni_add_test.ts"], [
    ["DEL means all interfaces", "(one.cni?.ifname ?? one.interface) === ifname", "true"],
  ]),
  ...mutantsOf("lib/agent/cni/cni_del.ts", ["tests/unit/agent/cni/cni_del_test.ts"], [
    [
      "GC collects other networks' attachments",
      "one.cni?.network === name\n",
      "one.cni\n",
    ],
    [
      "GC collects what is being added",
      "!queue.isBusy(addKey(one)) &&",
      "",
    ],
    [
      "GC without a list takes it for an empty one",
      'if (valid === "unknown") {',
      "if (valid.length < 0) {",
    ],
    [
      "GC looks at the container alone",
      "return `${containerId} ${ifname}`;",
      'return ifname === "" ? "" : containerId;',
    ],
  ]),
  ...mutantsOf("lib/agent/cni/cni_status.ts", ["tests/unit/agent/cni/cni_status_test.ts"], [
    ["STATUS does not see a full pool", "|| !isFull(store.documents, one)", "|| true"],
    [
      "STATUS judges networks that are not followed",
      "!store.knows({ tenant: one.tenant, network: one.name }) ||",
      "",
    ],
  ]),
  ...mutantsOf("lib/agent/server/pod_verbs.ts", ["tests/unit/agent/server/pod_verbs_test.ts"], [
    [
      "verbs for one sandbox run side by side",
      "    pod.sandbox,\n    () =>",
      "    crypto.randomUUID(),\n    () =>",
    ],
    [
      "status waits for a set-up",
      'if (verb === "status") return status(deps, pod);',
      'if (verb === "status") return await deps.sandboxes.queue.run(pod.sandbox, () => Promise.resolve(status(deps, pod)));',
    ],
  ]),
  ...mutantsOf("lib/agent/server/list_items.ts", ["tests/unit/agent/server/list_items_test.ts"], [
    ["items come in any order", "a < b ? -1 : a > b ? 1 : 0", "0"],
    [
      "a name is not heeded",
      "sorted(named(attachmentItems(deps), name))",
      "sorted(attachmentItems(deps))",
    ],
    ["unmatched pods are not listed", "return [...items, ...others]", "return [...items]"],
    ["the schema's number is shown", "({ schema: _, ...rest }: T)", "(rest: T)"],
  ]),
  ...mutantsOf("lib/agent/server/gc_request.ts", ["tests/unit/agent/server/gc_request_test.ts"], [
    [
      "pods that wait for a removed host's endpoints wait on",
      "[deps.reconcileSignal, deps.fabricSignal, deps.policySignal].forEach((one) => one.notify());",
      "",
    ],
    ["a dry run removes a host", "const isDry = body.dryRun === true;", "const isDry = false;"],
  ]),

  ...mutantsOf("lib/agent/store/whole_view.ts", ["tests/unit/agent/store/store_cache_test.ts"], [
    [
      "a watch is waited for up to the revision of others",
      "const watermark = await call(() => store.watermark());",
      "const watermark = revision;",
    ],
    [
      "a deletion with which a commit conflicted is not learned",
      "return await this.catchUp();",
      "return;",
    ],
  ]),
  ...mutantsOf("lib/agent/store/followed_part.ts", ["tests/unit/agent/store/store_cache_test.ts"], [
    ["a list takes back what a watch reported", "if (revision < this.map.revision) return;", ""],
  ]),
  ...mutantsOf("lib/agent/store/current_view.ts", ["tests/unit/agent/store/scoped_view_test.ts"], [
    [
      "a view is replaced under a plan",
      "while (this.#pins > 0 && !signal.aborted) await pause(PIN_MS, signal);",
      "",
    ],
  ]),
  ...mutantsOf("lib/agent/store/followed_part.ts", ["tests/unit/agent/store/scoped_view_test.ts"], [
    [
      "what is gone from a store that was lost is believed",
      "if (mayBeLost && this.#part && !await this.#part.isIntact(signal)) return;",
      "",
    ],
  ]),
  ...mutantsOf(
    "lib/agent/gc/release_unwanted.ts",
    ["tests/unit/agent/gc/release_unwanted_test.ts"],
    [
      [
        "an endpoint that is not known is gone",
        "(deps.store.knows(one) && !isWanted(one))",
        "!isWanted(one)",
      ],
    ],
  ),
  ...mutantsOf("lib/agent/store/index_keeper.ts", ["tests/unit/agent/store/index_keeper_test.ts"], [
    [
      "indexes count as complete beside an older agent",
      "if (agents.older.length > 0) {",
      "if (agents.older.length < 0) {",
    ],
    [
      "indexes count as complete after an older command",
      "if (n !== undefined) {",
      "if (n === 0) {",
    ],
    ["an apply that is not known yet is an older command's", "await store.refresh(applies);", ""],
    ["a store without an intent gets one", "if (isBlank(store.documents)) return;", ""],
  ]),

  // --- cni: calls, configurations, results, and the face

  ...mutantsOf("lib/cni/parse_call.ts", ["tests/unit/cni/parse_call_test.ts"], [
    ["DEL needs a namespace", 'DEL: ["CNI_CONTAINERID",', 'DEL: ["CNI_CONTAINERID", "CNI_NETNS",'],
    ["STATUS needs no CNI_PATH", 'STATUS: ["CNI_PATH"]', "STATUS: []"],
    ["an interface may be called lo", "&& !RESERVED.includes(name);", ";"],
    ["an interface name may be an option", ' && !name.startsWith("-")', ""],
    ["a namespace may be a relative path", "/^\\/\\P{Cc}", "/^\\P{Cc}"],
    ["DEL fails for a container id of others", '|| command === "DEL" && isReferenceName(id)', ""],
    ["DEL fails for an interface of others", '|| command === "DEL" && isReferenceIfname(name)', ""],
    ["DEL fails for its arguments or namespace", 'command === "DEL" && error', "error"],
    ["GC fails for the environment of a container", 'command !== "GC" && command', "command"],
  ]),
  ...mutantsOf("lib/agent/cni/cni_add.ts", ["tests/unit/agent/cni/cni_ports_test.ts"], [
    [
      "pods of a runtime get warm ports, whatever its configuration says",
      'call.config.ports === "warm"',
      'call.config.ports !== "plain"',
    ],
  ]),
  ...mutantsOf("lib/agent/pods/warm_ports.ts", ["tests/unit/agent/pods/warm_ports_test.ts"], [
    [
      "a pod's interface is created before its flows are on their way",
      "await Promise.race([sent.promise, assigning]);",
      "",
    ],
  ]),
  ...mutantsOf("lib/ovs/transport/unix_stream.ts", [
    "tests/unit/ovs/transport/unix_stream_test.ts",
  ], [
    [
      "a barrier goes out a write later than what it is for",
      "queueMicrotask(() => queueMicrotask(() => void this.#write()));",
      "queueMicrotask(() => void this.#write());",
    ],
  ]),
  ...mutantsOf("lib/cni/parse_config.ts", ["tests/unit/cni/parse_call_test.ts"], [
    ["CHECK exists in 0.3.1", 'CHECK: "0.4.0"', 'CHECK: "0.3.1"'],
    ["STATUS exists in 1.0.0", 'STATUS: "1.1.0"', 'STATUS: "1.0.0"'],
    ["GC without a list removes everything", "if (present.length === 0) {", "if (false) {"],
    ["GC reads only one of its keys", "present.flatMap(", "present.slice(0, 1).flatMap("],
    ["an attachment needs no interface", "if (value) return value;", 'return value ?? "";'],
    ["CHECK does without a prevResult", 'if (command === "ADD") return undefined;', "return;"],
    ["DEL fails for its prevResult", "valid(() => parsePrevious(fields))", "parsePrevious(fields)"],
    ["a socket may be relative", "/^\\/[^\\0]*$/", "/^[^\\0]*$/"],
    ["a configuration may be of any length", "text.length > CONFIG_LIMIT", "text.length < 0"],
    ["a configuration may be of any depth", "return depth > 0 && ", "return "],
  ]),
  ...mutantsOf("lib/cni/cni_args.ts", ["tests/unit/cni/parse_call_test.ts"], [
    ["unknown arguments are always ignored", "if (unknown.length === 0) return;", "return;"],
    ["IgnoreUnknown=true is not known", 'ignores === "1" || ignores === "true"', 'ignores === "1"'],
    ["a pair may have two =", " && more.length === 0", ""],
  ]),
  ...mutantsOf("lib/cni/address_words.ts", ["tests/unit/cni/parse_call_test.ts"], [
    ["a multicast address is a MAC", "return isMulticast || ", "return "],
    ["IPv4 prefixes go up to 128", '(address.includes(":") ? 128 : 32)', "128"],
  ]),
  ...mutantsOf("lib/cni/cni_result.ts", ["tests/unit/cni/cni_result_test.ts"], [
    ["0.4.0 has no families", '|| version === "0.4.0"', ""],
    ["older versions have mtu", "!NEW_IN_1_1.includes(key)", "true"],
    ["fields of other plugins get lost", "{ ...own, ...others };\n  if", "{ ...own };\n  if"],
  ]),
  ...mutantsOf("lib/faces/cni.ts", ["tests/unit/faces/cni_face_test.ts"], [
    ["VERSION asks the agent", 'if (command === "VERSION")', "if (false)"],
    ["STATUS is loud", "exit === 1 && !isStatus(io)", "exit === 1"],
    ["STATUS without agent says try again", "CNI_CODES.notAvailable", "error.code"],
    ["a DEL is forgotten", "await io.leaveNote(", "await (async (..._: unknown[]) => {})("],
    ["a DEL of an agent that hangs fails", "if (!isUnreachable(error))", "if (true)"],
    ["a starting agent is not asked again", "|| isTransient !== true", "|| true"],
    ["a repeated call looks like the first", "    isRetry = true;\n", ""],
    ["what the agent answers is not checked", "return checkAnswer(socket, await", "return (await"],
  ]),
  ...mutantsOf("lib/faces/repeatedly.ts", ["tests/unit/faces/cni_face_test.ts"], [
    ["an agent that hangs is asked again", 'error.code === "unavailable" && ', ""],
    ["retries never end", "clock.now() + pauseMs + (clock.now() - started) < end", "true"],
  ]),
];
