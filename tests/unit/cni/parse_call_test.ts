import { assertEquals, assertStringIncludes } from "@std/assert";
import { parseCall } from "../../../lib/cni/parse_call.ts";
import { answerVersionOf } from "../../../lib/cni/parse_config.ts";
import { type CniCall, CniError, type CniInput } from "../../../lib/cni/cni_types.ts";
import { callOf, cniCases } from "./cni_cases.ts";

/** Returns the call, or the CniError of it. */
function parsed(input: CniInput): CniCall | CniError {
  try {
    return parseCall(input);
  } catch (error) {
    if (error instanceof CniError) return error;
    throw error;
  }
}

for (const { name, input, code, message } of cniCases) {
  Deno.test(`${name}: ${code === 0 ? "accepted" : `error ${code}`}`, () => {
    const result = parsed(input);
    if (!(result instanceof CniError)) {
      return assertEquals([code, result.command], [0, input.command as CniCall["command"]]);
    }
    assertEquals(result.code, code, `${result.message}; ${result.details}`);
    assertStringIncludes(`${result.message}; ${result.details}`, message);
  });
}

Deno.test("names of rows are unique", () => {
  const names = cniCases.map(({ name }) => name);
  assertEquals(names.filter((name, at) => names.indexOf(name) !== at), []);
});

Deno.test("a call has what CNI_ARGS, configuration and capabilities say", () => {
  const call = parseCall({
    ...callOf("ADD", {
      ...{ tenant: "blue", network: "net-1", endpoint: "web-0", socket: "/run/a.sock" },
      dns: { nameservers: ["10.0.0.1"], search: null, options: ["ndots:2"] },
      runtimeConfig: {
        ...{ mac: "02-02-0A-01-02-04", ips: ["10.1.2.4/24", "fd00::4"] },
        dns: { Servers: ["10.0.0.10"], Searches: ["svc"], Options: null },
        "io.kubernetes.cri.pod-annotations": { "a.b/c": "d", __proto__x: "e" },
        portMappings: [{ HostPort: 8080, ContainerPort: 80 }, { hostPort: 0 }, { hostPort: 9 }],
      },
    }),
    args: "MAC=02:02:0A:01:02:03;K8S_POD_UID=1-2;IP=10.1.2.3;IgnoreUnknown=1;K8S_POD_NAME=old;" +
      "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;IP=10.1.2.5",
  });
  assertEquals(call, {
    command: "ADD",
    containerId: "a".repeat(64),
    netns: "/run/netns/a",
    ifname: "eth0",
    args: {
      ...{ podNamespace: "default", podName: "web-0", podUid: "1-2" },
      ...{ ip: "10.1.2.5", mac: "02:02:0a:01:02:03" },
    },
    config: {
      ...{ cniVersion: "1.0.0", name: "blue", socket: "/run/a.sock" },
      ...{ tenant: "blue", network: "net-1", endpoint: "web-0" },
      dns: { nameservers: ["10.0.0.1"], options: ["ndots:2"] },
      runtimeConfig: {
        ...{ mac: "02:02:0a:01:02:04", ips: ["10.1.2.4/24", "fd00::4"] },
        dns: { nameservers: ["10.0.0.10"], search: ["svc"] },
        annotations: { "a.b/c": "d", __proto__x: "e" },
        hostPorts: [8080, 9],
      },
    },
  });
});

Deno.test("a call without anything optional has no empty fields", () => {
  const call = parseCall({ ...callOf("ADD"), args: "" });
  assertEquals(call.args, {});
  assertEquals(call.config, { cniVersion: "1.0.0", name: "blue", runtimeConfig: {} });
});

Deno.test("GC and STATUS have no container, whatever the environment says", () => {
  for (const command of ["GC", "STATUS"]) {
    const { containerId, netns, ifname, args } = parseCall({
      ...callOf(command),
      ...{ containerId: "a", netns: "/a", ifname: "eth0", args: "K8S_POD_NAME=a" },
    });
    assertEquals({ containerId, netns, ifname, args }, {
      ...{ containerId: "", netns: "", ifname: "", args: {} },
    });
  }
});

Deno.test("GC keeps the attachments of both of its keys, each once", () => {
  const key = (containerID: string, ifname = "eth0") => ({ containerID, ifname });
  const { config } = parseCall(callOf("GC", {
    "cni.dev/valid-attachments": [key("a"), key("b"), { ...key("a", "eth1"), more: 1 }],
    "cni.dev/attachments": [key("b"), key("c")],
  }));
  assertEquals(config.validAttachments, [
    { containerId: "a", ifname: "eth0" },
    { containerId: "b", ifname: "eth0" },
    { containerId: "a", ifname: "eth1" },
    { containerId: "c", ifname: "eth0" },
  ]);
  assertEquals(parseCall(callOf("GC")).config.validAttachments, []);
  const nil = { "cni.dev/valid-attachments": null, "cni.dev/attachments": null };
  assertEquals(parseCall(callOf("GC", nil)).config.validAttachments, "unknown");
  const half = { "cni.dev/valid-attachments": null, "cni.dev/attachments": [key("c")] };
  assertEquals(parseCall(callOf("GC", half)).config.validAttachments, [
    { containerId: "c", ifname: "eth0" },
  ]);
  assertEquals(
    parseCall(callOf("ADD", { "cni.dev/attachments": 5 })).config.validAttachments,
    undefined,
  );
});

Deno.test("DEL keeps what is valid of a broken call", () => {
  const { args, config } = parseCall({
    ...callOf("DEL", { tenant: "a/b", network: "net", dns: 5, runtimeConfig: 5, prevResult: 5 }),
    ...{ args: "IP=a", netns: "" },
  });
  assertEquals(args, {});
  assertEquals(config, { cniVersion: "1.0.0", name: "blue", network: "net", runtimeConfig: {} });
});

Deno.test("DEL has the prevResult of its ADD", () => {
  const ips = [{ address: "10.1.2.3/24" }];
  const { config } = parseCall(callOf("DEL", { prevResult: { ips } }));
  assertEquals(config.prevResult, { interfaces: [], ips, routes: [], dns: {} });
});

Deno.test("an answer has the version of the configuration, else the newest one", () => {
  for (const version of ["0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const) {
    assertEquals(answerVersionOf(JSON.stringify({ cniVersion: version })), version);
  }
  for (const text of ["", "{", "[]", "null", "{}", '{"cniVersion":"0.2.0"}', '{"cniVersion":1}']) {
    assertEquals(answerVersionOf(text), "1.1.0");
  }
});

Deno.test("keys that objects of JavaScript have by themselves are no configuration", () => {
  const config = '{"cniVersion":"1.0.0","name":"blue","__proto__":{"tenant":"evil"},' +
    '"runtimeConfig":{"io.kubernetes.cri.pod-annotations":{"__proto__":"a","constructor":"b"}}}';
  const { config: { tenant, runtimeConfig } } = parseCall({ ...callOf("ADD"), config });
  assertEquals(tenant, undefined);
  assertEquals(Object.entries(runtimeConfig.annotations ?? {}), [
    ["__proto__", "a"],
    ["constructor", "b"],
  ]);
});
