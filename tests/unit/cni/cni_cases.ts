// One row per rule of the CNI specification, as data: what a runtime passes, and what the plugin must answer. The rows
// need no agent where `code` is not 0; parseCall(), the face and the launcher are tested with them.

import type { CniInput } from "../../../lib/cni/cni_types.ts";

/** One call and its outcome. */
export interface CniCase {
  readonly name: string;
  readonly input: CniInput;
  /** 0 for a call that is passed to the agent. */
  readonly exit: 0 | 1;
  /** Error code of the answer; 0 if there is none. */
  readonly code: number;
  /** Part of `msg` or `details`; empty for a call that succeeds. */
  readonly message: string;
}

/** A configuration as libcni passes it, without other keys than the necessary ones. */
export const BASE_CONFIG = { cniVersion: "1.0.0", name: "blue", type: "k8contivnet" };

const PREV_RESULT = {
  cniVersion: "1.0.0",
  interfaces: [{ name: "eth0", mac: "02:02:0a:01:02:03", sandbox: "/run/netns/a" }],
  ips: [{ address: "10.1.2.3/24", gateway: "10.1.2.1", interface: 0 }],
};

/** Returns a call of `command` as a runtime makes it, with `changes` of its configuration. */
export function callOf(command: string, changes: Record<string, unknown> = {}): CniInput {
  const isAttachment = command !== "GC" && command !== "STATUS";
  const ofCommand: Record<string, unknown> = {
    CHECK: { prevResult: PREV_RESULT },
    GC: { cniVersion: "1.1.0", "cni.dev/valid-attachments": [] },
    STATUS: { cniVersion: "1.1.0" },
  };
  return {
    command,
    containerId: isAttachment ? "a".repeat(64) : "",
    netns: isAttachment ? "/run/netns/a" : "",
    ifname: isAttachment ? "eth0" : "",
    args: isAttachment ? "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0" : "",
    path: "/opt/cni/bin",
    config: JSON.stringify({ ...BASE_CONFIG, ...(ofCommand[command] ?? {}) as object, ...changes }),
  };
}

/** A call that goes to the agent. */
const good = (name: string, input: CniInput): CniCase => ({
  ...{ name, input },
  exit: 0,
  code: 0,
  message: "",
});

const bad = (name: string, input: CniInput, code: number, message: string): CniCase => ({
  ...{ name, input, code, message },
  exit: 1,
});

const ADD = callOf("ADD");
const DEL = callOf("DEL");

/** ADD with one key of the configuration changed. */
const added = (changes: Record<string, unknown>) => callOf("ADD", changes);
const runtime = (runtimeConfig: unknown) => added({ runtimeConfig });
const args = (text: string) => ({ ...ADD, args: text });
const gc = (changes: Record<string, unknown>) => callOf("GC", changes);

const ENVIRONMENT: readonly CniCase[] = [
  good("ADD", ADD),
  good("DEL", DEL),
  good("CHECK", callOf("CHECK")),
  good("GC", callOf("GC")),
  good("STATUS", callOf("STATUS")),
  bad("an unknown command", { ...ADD, command: "UPDATE" }, 4, 'CNI_COMMAND "UPDATE" is unknown'),
  bad("a command in lower case", { ...ADD, command: "add" }, 4, 'CNI_COMMAND "add" is unknown'),
  bad("a command with a blank", { ...ADD, command: "ADD " }, 4, "CNI_COMMAND"),
  bad("a property of objects as command", { ...ADD, command: "constructor" }, 4, "CNI_COMMAND"),
  ...["ADD", "CHECK", "DEL"].flatMap((command) => [
    bad(
      `${command} without container id`,
      { ...callOf(command), containerId: "" },
      ...[4, `CNI_CONTAINERID must be set for ${command}`] as const,
    ),
    bad(
      `${command} without interface name`,
      { ...callOf(command), ifname: "" },
      ...[4, `CNI_IFNAME must be set for ${command}`] as const,
    ),
  ]),
  ...["ADD", "CHECK", "DEL", "GC", "STATUS"].map((command) =>
    bad(
      `${command} without CNI_PATH`,
      { ...callOf(command), path: "" },
      ...[4, `CNI_PATH must be set for ${command}`] as const,
    )
  ),
  bad("ADD without namespace", { ...ADD, netns: "" }, 4, "CNI_NETNS must be set for ADD"),
  bad("CHECK without namespace", { ...callOf("CHECK"), netns: "" }, 4, "CNI_NETNS must be set"),
  good("DEL without namespace", { ...DEL, netns: "" }),
  bad(
    "all missing variables in one message",
    { ...ADD, containerId: "", netns: "", ifname: "", path: "" },
    4,
    "CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME, CNI_PATH must be set for ADD",
  ),
  good("a container id of letters, digits, _ . -", { ...ADD, containerId: "Pod_1.a-b" }),
  good("a container id of 253 characters", { ...ADD, containerId: "a".repeat(253) }),
  bad("a container id of 254 characters", { ...ADD, containerId: "a".repeat(254) }, 4, "253"),
  ...["../a", "a/b", "-a", "_a", ".a", "a b", "a\n", "ä", "a;b", ".."].map((containerId) =>
    bad(
      `container id ${JSON.stringify(containerId)}`,
      { ...ADD, containerId },
      ...[4, "CNI_CONTAINERID"] as const,
    )
  ),
  good("an interface name of 15 bytes", { ...ADD, ifname: "eth0123456789ab" }),
  bad("an interface name of 16 bytes", { ...ADD, ifname: "eth0123456789abc" }, 4, "CNI_IFNAME"),
  ...["lo", ".", "..", "a/b", "a:b", "a b", "é", "-a", "a\n", "all", "default"].map((ifname) =>
    bad(`interface name ${JSON.stringify(ifname)}`, { ...ADD, ifname }, 4, "CNI_IFNAME")
  ),
  ...["ADD", "CHECK"].map((command) =>
    bad(
      `${command} of a container id with ..`,
      { ...callOf(command), containerId: "a..b" },
      ...[4, 'CNI_CONTAINERID "a..b" is not valid'] as const,
    )
  ),
  // Nothing can be there, as no ADD takes it; the reference implementation has other rules.
  ...["a..b", "a..", "a".repeat(254), "a".repeat(5_000)].map((containerId) =>
    good(`DEL of container ${containerId.slice(0, 9)} (${containerId.length})`, {
      ...DEL,
      containerId,
    })
  ),
  ...["lo", "all", "default", "-a", "é", "a@b", "a$b"].map((ifname) =>
    good(`DEL of interface ${ifname}`, { ...DEL, ifname })
  ),
  ...["../a", "a/b", "a b", "ä"].map((containerId) =>
    bad(`DEL of container ${containerId}`, { ...DEL, containerId }, 4, "CNI_CONTAINERID")
  ),
  ...[".", "..", "a/b", "a:b", "a b", "a\n", "eth0123456789abc", "é".repeat(8)].map((ifname) =>
    bad(`DEL of interface ${JSON.stringify(ifname)}`, { ...DEL, ifname }, 4, "CNI_IFNAME")
  ),
  ...["run/netns/a", "netns", "/run/\n", "/a\0b", `/${"a".repeat(4095)}`].map((netns) =>
    bad(`namespace ${JSON.stringify(netns).slice(0, 20)}`, { ...ADD, netns }, 4, "CNI_NETNS")
  ),
  good("DEL of a relative namespace", { ...DEL, netns: "a" }),
  bad(
    "missing variables and half of a configuration",
    { ...ADD, netns: "", config: "{" },
    4,
    "set",
  ),
  bad(
    "a wrong variable and half of a configuration",
    { ...ADD, ifname: ".", config: "{" },
    4,
    "IF",
  ),
  good("GC with variables of a container", { ...callOf("GC"), containerId: "a", netns: "b" }),
];

const ARGS: readonly CniCase[] = [
  good("no arguments", args("")),
  good(
    "arguments of containerd",
    args(
      "K8S_POD_UID=1-2;K8S_POD_NAME=web-0;IgnoreUnknown=1;K8S_POD_NAMESPACE=default;" +
        `K8S_POD_INFRA_CONTAINER_ID=${"a".repeat(64)}`,
    ),
  ),
  good(
    "arguments of podman",
    args("IgnoreUnknown=1;K8S_POD_NAME=db;MAC=02:02:0A:01:02:03;IP=10.1.2.3"),
  ),
  good("known arguments without IgnoreUnknown", args("K8S_POD_NAME=db;K8S_POD_NAMESPACE=")),
  good("an address with prefix length", args("IP=10.1.2.3/24")),
  good("an IPv6 address", args("IP=fd00::3/64")),
  good("unknown arguments with IgnoreUnknown=true", args("A=b;IgnoreUnknown=TRUE")),
  bad("unknown arguments", args("K8S_POD_NAME=db;COLOUR=red"), 4, 'unknown keys: "COLOUR"'),
  bad("unknown arguments with IgnoreUnknown=0", args("IgnoreUnknown=0;A=b"), 4, "unknown keys"),
  bad("IgnoreUnknown that is no boolean", args("IgnoreUnknown=perhaps"), 4, "IgnoreUnknown"),
  ...["K8S_POD_NAME", "K8S_POD_NAME=a=b", "=a", "IgnoreUnknown=1;", ";", " "].map((text) =>
    bad(`arguments ${JSON.stringify(text)}`, args(text), 4, "CNI_ARGS")
  ),
  ...["10.1.2", "10.1.2.300", "10.1.2.3/33", "a", "10.1.2.3,10.1.2.4", "01.1.1.1"].map((ip) =>
    bad(`IP=${ip}`, args(`IP=${ip}`), 4, `IP "${ip}"`)
  ),
  ...["02:02", "01:00:5e:00:00:01", "00:00:00:00:00:00", "zz:02:0a:01:02:03"].map((mac) =>
    bad(`MAC=${mac}`, args(`MAC=${mac}`), 4, `MAC "${mac}"`)
  ),
  bad("a pod name with /", args("K8S_POD_NAME=../a"), 4, 'K8S_POD_NAME "../a"'),
  good("DEL with arguments that are not pairs", { ...DEL, args: "nonsense" }),
];

const CONFIG: readonly CniCase[] = [
  bad("an empty configuration", { ...ADD, config: "" }, 6, "it is empty"),
  bad("a configuration of blanks", { ...ADD, config: " \n" }, 6, "it is empty"),
  bad("half of a configuration", { ...ADD, config: '{"name":"blue",' }, 6, "(15 characters)"),
  bad("words", { ...ADD, config: "name: blue" }, 6, "not valid"),
  bad("two configurations", { ...ADD, config: ADD.config + ADD.config }, 6, "not valid"),
  ...["[]", "null", '"blue"', "1"].map((config) =>
    bad(`configuration ${config}`, { ...ADD, config }, 6, "it must be a JSON object")
  ),
  bad("DEL with half of a configuration", { ...DEL, config: "{" }, 6, "not valid"),
  bad("more than 1 MiB", { ...ADD, config: " ".repeat(1024 * 1024 + 1) }, 5, "too long"),
  good("1 MiB", { ...ADD, config: ADD.config.padEnd(1024 * 1024) }),
  bad(
    "lists nested 200 deep",
    { ...ADD, config: ADD.config.replace("{", `{"a":${"[".repeat(200)}${"]".repeat(200)},`) },
    ...[6, "nested"] as const,
  ),
  bad("no name", added({ name: undefined }), 7, "has no name"),
  bad("an empty name", added({ name: "" }), 7, "has no name"),
  bad("a name that is a number", added({ name: 5 }), 7, "name is a number"),
  ...["a/b", "../a", "a..b", "-a", "a b", "ä"].map((name) =>
    bad(`network name ${name}`, added({ name }), 7, `name "${name}" is not valid`)
  ),
  ...["0.3.1", "0.4.0", "1.0.0", "1.1.0"].flatMap((cniVersion) => [
    good(`ADD in ${cniVersion}`, added({ cniVersion })),
    good(`DEL in ${cniVersion}`, callOf("DEL", { cniVersion })),
  ]),
  bad("no version", added({ cniVersion: undefined }), 1, "0.3.1, 0.4.0, 1.0.0, 1.1.0"),
  ...["0.1.0", "0.2.0", "0.3.0", "1.2.0", "2.0.0", "1.0", "", "v1.0.0"].map((cniVersion) =>
    bad(
      `version ${JSON.stringify(cniVersion)}`,
      added({ cniVersion }),
      ...[1, "supported are 0.3.1, 0.4.0, 1.0.0, 1.1.0"] as const,
    )
  ),
  bad("a version that is a number", added({ cniVersion: 1 }), 7, "cniVersion is a number"),
  bad("CHECK in 0.3.1", callOf("CHECK", { cniVersion: "0.3.1" }), 1, "CHECK needs 0.4.0"),
  good("CHECK in 0.4.0", callOf("CHECK", { cniVersion: "0.4.0" })),
  bad(
    "no name, and a version of the future",
    added({ name: "", cniVersion: "9.0.0" }),
    7,
    "no name",
  ),
  bad("a version of words", added({ cniVersion: "newest" }), 1, '"newest" is not supported'),
  bad(
    "GC in 1.0.0 without list",
    gc({ cniVersion: "1.0.0", "cni.dev/valid-attachments": undefined }),
    ...[1, "GC needs 1.1.0"] as const,
  ),
  bad(
    "CHECK in 0.3.1 without prevResult",
    callOf("CHECK", { cniVersion: "0.3.1", prevResult: undefined }),
    ...[1, "CHECK needs 0.4.0"] as const,
  ),
  bad("GC in 1.0.0", gc({ cniVersion: "1.0.0" }), 1, "GC needs 1.1.0"),
  bad("STATUS in 1.0.0", callOf("STATUS", { cniVersion: "1.0.0" }), 1, "STATUS needs 1.1.0"),
  good("further keys", added({ bridge: 5, capabilities: { mac: true }, ipam: {}, args: null })),
  good("the versions of the list", added({ cniVersions: ["0.4.0", "1.0.0", "1.1.0"] })),
  good("names of tenant, network, endpoint", added({ tenant: "a", network: "b", endpoint: "c" })),
  good("null for what is missing", added({ tenant: null, dns: null, runtimeConfig: null })),
  ...["tenant", "network", "endpoint"].flatMap((key) => [
    bad(`a number as ${key}`, added({ [key]: 5 }), 7, `${key} is a number`),
    bad(`an empty ${key}`, added({ [key]: "" }), 7, `${key} "" is not valid`),
    bad(`a ${key} with /`, added({ [key]: "a/b" }), 7, `${key} "a/b" is not valid`),
    good(`DEL with a number as ${key}`, callOf("DEL", { [key]: 5 })),
  ]),
  good("warm ports", added({ ports: "warm" })),
  good("plain ports", added({ ports: "plain" })),
  bad("ports of another kind", added({ ports: "hot" }), 7, 'ports "hot" is not valid'),
  bad("ports that are a list", added({ ports: [] }), 7, "ports is a list"),
  good("DEL with ports of another kind", callOf("DEL", { ports: "hot" })),
  bad("a relative socket", added({ socket: "agent.sock" }), 7, "socket"),
  bad("a socket that is a list", added({ socket: [] }), 7, "socket is a list"),
  bad("a socket that is too long", added({ socket: `/${"a".repeat(107)}` }), 7, "107"),
  bad("DEL with a relative socket", callOf("DEL", { socket: "a" }), 7, "socket"),
  good("name servers", added({ dns: { nameservers: ["10.0.0.1"], search: ["a"], domain: "b" } })),
  bad("dns that is a list", added({ dns: [] }), 7, "dns is a list"),
  bad("a name server", added({ dns: { nameservers: "a" } }), 7, "dns.nameservers is a string"),
  bad("number in dns.search", added({ dns: { search: ["a", 1] } }), 7, "dns.search[1] is a number"),
];

const RUNTIME: readonly CniCase[] = [
  good(
    "capabilities of containerd",
    runtime({
      dns: { Servers: ["10.0.0.10"], Searches: null, Options: null },
      portMappings: [{ HostPort: 8080, ContainerPort: 80, Protocol: "tcp", HostIP: "" }],
      bandwidth: { IngressRate: 10_000_000, IngressBurst: 4294967295 },
      cgroupPath: "/kubepods/a",
      "io.kubernetes.cri.pod-annotations": { "kubernetes.io/config.source": "api" },
    }),
  ),
  good("capabilities of podman", runtime({ aliases: { blue: ["x"] }, portMappings: null })),
  bad("ports that are no list", runtime({ portMappings: {} }), 7, "portMappings is an object"),
  bad(
    "a port of words",
    runtime({ portMappings: [{ hostPort: "80" }] }),
    7,
    "hostport is a string",
  ),
  good("mac and ips", runtime({ mac: "02-02-0A-01-02-03", ips: ["10.1.2.3/24", "fd00::3"] })),
  bad("runtimeConfig that is a list", runtime([]), 7, "runtimeConfig is a list"),
  bad("a mac that is a number", runtime({ mac: 2 }), 7, "runtimeConfig.mac is a number"),
  bad("a mac of 5 bytes", runtime({ mac: "02:02:0a:01:02" }), 2, 'mac "02:02:0a:01:02"'),
  bad("ips that is a string", runtime({ ips: "10.1.2.3" }), 7, "runtimeConfig.ips is a string"),
  bad("ips with a word", runtime({ ips: ["10.1.2.3", "a"] }), 2, 'runtimeConfig.ips "a"'),
  bad("dns that is a string", runtime({ dns: "a" }), 7, "runtimeConfig.dns is a string"),
  bad("dns servers that are not a list", runtime({ dns: { Servers: "a" } }), 7, "servers"),
  bad(
    "annotations that are a list",
    runtime({ "io.kubernetes.cri.pod-annotations": [] }),
    ...[7, "pod-annotations is a list"] as const,
  ),
  bad(
    "an annotation that is a number",
    runtime({ "io.kubernetes.cri.pod-annotations": { a: 1 } }),
    ...[7, 'pod-annotations["a"] is a number'] as const,
  ),
  good("DEL with a broken runtimeConfig", callOf("DEL", { runtimeConfig: { mac: 2 } })),
];

const PREVIOUS: readonly CniCase[] = [
  good("ADD after another plugin", added({ prevResult: PREV_RESULT })),
  good("null as prevResult of ADD", added({ prevResult: null })),
  good(
    "a prevResult of 0.3.1 in a configuration of 1.0.0",
    added({
      prevResult: { cniVersion: "0.3.1", ips: [{ version: "4", address: "10.1.2.3/24" }], dns: {} },
    }),
  ),
  good("a prevResult without version", added({ prevResult: { ips: [] } })),
  good("DEL without prevResult", DEL),
  good("DEL with a broken prevResult", callOf("DEL", { prevResult: "a" })),
  good("DEL with a prevResult of 0.2.0", callOf("DEL", { prevResult: { ip4: {} } })),
  bad("CHECK without prevResult", callOf("CHECK", { prevResult: undefined }), 7, "no prevResult"),
  ...["ADD", "CHECK"].flatMap((command) => {
    const after = (prevResult: unknown) => callOf(command, { prevResult });
    return [
      bad(`${command} after a string`, after("a"), 7, "prevResult is a string"),
      bad(`${command} after 0.2.0`, after({ ip4: { ip: "10.1.2.3/24" } }), 7, "prevResult.ip4"),
      bad(`${command} after ips without address`, after({ ips: [{}] }), 7, "ips[0].address is mis"),
      bad(`${command} after a word`, after({ ips: [{ address: "a" }] }), 7, 'ips[0].address "a"'),
      bad(
        `${command} after an interface -1`,
        after({ ips: [{ address: "10.1.2.3/24", interface: -1 }] }),
        ...[7, "ips[0].interface -1"] as const,
      ),
      bad(`${command} after interfaces of 5`, after({ interfaces: [5] }), 7, "interfaces[0] is a"),
      bad(`${command} after a nameless one`, after({ interfaces: [{}] }), 7, "interfaces[0].name"),
      bad(`${command} after a route to a`, after({ routes: [{ dst: "a" }] }), 7, 'dst "a"'),
    ];
  }),
];

const BOTH = { containerID: "a", ifname: "eth0" };

const GC_AND_STATUS: readonly CniCase[] = [
  good("GC with attachments", gc({ "cni.dev/valid-attachments": [BOTH] })),
  good(
    "GC with the older key alone",
    gc({ "cni.dev/valid-attachments": undefined, "cni.dev/attachments": [BOTH] }),
  ),
  good("GC with both keys", gc({ "cni.dev/attachments": [] })),
  bad("GC without list", gc({ "cni.dev/valid-attachments": undefined }), 7, "got no cni.dev/valid"),
  good("GC with null as list", gc({ "cni.dev/valid-attachments": null })),
  good(
    "GC with null as both lists, as libcni sends a nil one",
    gc({ "cni.dev/valid-attachments": null, "cni.dev/attachments": null }),
  ),
  bad("GC with an object as list", gc({ "cni.dev/valid-attachments": {} }), 7, "is an object"),
  bad(
    "GC with one good and one bad list",
    gc({ "cni.dev/attachments": "all" }),
    ...[7, "cni.dev/attachments is a string"] as const,
  ),
  bad("GC with a string in the list", gc({ "cni.dev/valid-attachments": ["a"] }), 7, "[0] is a"),
  bad(
    "GC with an attachment without interface",
    gc({ "cni.dev/valid-attachments": [BOTH, { containerID: "a" }] }),
    ...[7, "cni.dev/valid-attachments[1].ifname is missing"] as const,
  ),
  bad(
    "GC with an attachment without container",
    gc({ "cni.dev/valid-attachments": [{ ifname: "eth0" }] }),
    ...[7, "cni.dev/valid-attachments[0].containerID is missing"] as const,
  ),
  bad(
    "GC with an empty container id",
    gc({ "cni.dev/valid-attachments": [{ ...BOTH, containerID: "" }] }),
    ...[7, 'containerID "" is not valid'] as const,
  ),
  bad(
    "GC with a number as interface",
    gc({ "cni.dev/valid-attachments": [{ ...BOTH, ifname: 0 }] }),
    ...[7, "ifname is a number"] as const,
  ),
  good("STATUS of a broken container", { ...callOf("STATUS"), containerId: "../a", ifname: "lo" }),
  good("GC with arguments that are not pairs", { ...callOf("GC"), args: "nonsense" }),
];

/** All rows. */
export const cniCases: readonly CniCase[] = [
  ...ENVIRONMENT,
  ...ARGS,
  ...CONFIG,
  ...RUNTIME,
  ...PREVIOUS,
  ...GC_AND_STATUS,
];
