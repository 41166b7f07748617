// Two real nodes whose pods have reach: what Kubernetes promises of probes, names, services and host ports, with
// a second tenant that has the same addresses.

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { tenantWith } from "../../fixtures/tenant.ts";
import { MANAGEMENT_ADDRESS, managementAddress } from "../../lab/cluster/fabric.ts";
import { vtepOf } from "../../lab/cluster/host.ts";
import type { Kube } from "../../lab/kube.ts";
import { hangSignal } from "../../lab/limits.ts";
import { waitFor } from "../../lab/wait.ts";
import { startKubeNodes } from "../lab/kube_nodes.ts";
import { DNS_ADDRESS } from "../lab/kubelet.ts";
import { ourConfiguration } from "../lab/plugins.ts";
import { applyObjects, ingressFrom, readyPods, service, singlePod } from "../lab/workloads.ts";

const REACH = {
  DefaultNetType: "vxlan",
  GatewayType: "distributed",
  Reach: ["host", "services", "outside", "ports"],
};
const BLUE = { SubnetCIDR: "10.9.0.0/24", DefaultGw: "10.9.0.254", Default: true };

/** Names are served in a network of their own, with addresses that only it has. */
const INTENT = {
  ServiceCIDR: ["10.0.0.0/24"],
  Hosts: [1, 2].map((n) => ({ Name: `host${n}`, VtepIp: vtepOf(n) })),
  Tenants: [
    tenantWith({
      ...REACH,
      ...{
        SubnetPool: "10.0.0.0/8",
        Vxlans: "10001-11000",
        Namespaces: ["default", "kube-system"],
      },
      Networks: [
        { Name: "blue", ...BLUE },
        {
          ...{ Name: "sys", SubnetCIDR: "10.8.0.0/24", DefaultGw: "10.8.0.254" },
          ReachNetworks: ["blue"],
          Endpoints: [{ Container: "dns", Namespace: "kube-system" }],
        },
      ],
    }),
    tenantWith({
      ...REACH,
      ...{ Name: "u", SubnetPool: "10.0.0.0/8", Vlans: "300-400", Vxlans: "12001-13000" },
      ...{ Namespaces: ["two"], Networks: [{ Name: "red", ...BLUE }] },
    }),
  ],
};

const PORTMAP = { type: "portmap", capabilities: { portMappings: true }, snat: true };
const HTTP_PORT = 8080;

/** A container that answers with its own name, and with whom it saw at `/cgi-bin/who`. */
function web(name: string, more: Readonly<Record<string, unknown>> = {}) {
  const script = `mkdir -p /www/cgi-bin; echo ${name} >/www/index.html; cd /www/cgi-bin
    printf '#!/bin/sh\\necho; echo ${name} saw $REMOTE_ADDR\\n' >who; chmod 755 who
    exec httpd -f -p ${HTTP_PORT} -h /www`;
  return { command: ["sh", "-c", script], ...more };
}

const WHO = "/cgi-bin/who";

function saw(name: string, address: string | undefined): string {
  return `${name} saw [::ffff:${address}]`;
}

const HTTP_PROBE = {
  readinessProbe: { httpGet: { path: "/", port: HTTP_PORT }, periodSeconds: 1 },
};

/** A service without endpoints. */
const NOBODY = "10.0.0.29";

/** Names of services that the pod `dns` serves, as a cluster's DNS does. */
const NAMES = { "web.default": "10.0.0.20", "web.two": "10.0.0.21" };

function dns() {
  const names = Object.entries(NAMES)
    .map(([name, address]) => `--address=/${name}.svc.cluster.local/${address}`);
  const flags = ["-k", "--no-resolv", "--no-hosts", "--user=root", "--pid-file=", "--local=/#/"];
  return { command: ["/usr/sbin/dnsmasq", ...flags, ...names] };
}

/** Returns what a pod gets from a URL, or throws what stopped it; "timeout" as busybox's own limit crashes. */
async function fetched(kube: Kube, pod: string, url: string, namespace = "default") {
  const words = ["exec", "-n", namespace, pod, "--", "timeout", "5", "wget", "-q", "-O", "-", url];
  return (await kube.kubectl(...words)).trim();
}

/** Waits until a pod gets something from a URL; returns it. */
async function fetchedOf(kube: Kube, pod: string, url: string, namespace?: string) {
  let last: unknown;
  const isAnswered = () => fetched(kube, pod, url, namespace).catch((error) => void (last = error));
  return await waitFor(`${pod} to get ${url}`, isAnswered, { limitMs: 60_000 })
    .catch((error) => {
      throw new Error(error.message, { cause: last });
    });
}

Deno.test("two nodes with reach: probes, names, services, host ports, and two tenants at once", async (t) => {
  await using cluster = await startKubeNodes({
    intent: INTENT,
    programs: ["/usr/sbin/dnsmasq"],
    node: { plugins: ["portmap"] },
    configure: async ({ plugins }) => {
      const list = ourConfiguration();
      const chain = { ...list, plugins: [...list.plugins, PORTMAP] };
      await plugins.configure("10-k8contivnet.conflist", chain);
    },
  });
  const { kube, nodes: [first, second] } = cluster;
  assert(first && second);
  const at = (node: typeof first) => ({ node: node.name });
  await kube.kubectl("create", "namespace", "two");

  await t.step("probes over HTTP pass a policy that lets in one kind of pods", async () => {
    await applyObjects(kube, ingressFrom("web", { app: "client" }));
    const container = web("web", HTTP_PROBE);
    await applyObjects(kube, singlePod("web", { ...at(first), container }));
    await applyObjects(kube, singlePod("client", at(first)), singlePod("other", at(second)));
    for (const app of ["web", "client", "other"]) await readyPods(kube, app, 1);
  });

  await t.step("services are reached by name, from pods that their policy lets in", async () => {
    const ports = [{ port: 53, protocol: "UDP" }];
    await applyObjects(
      kube,
      singlePod("dns", { ...at(second), namespace: "kube-system", container: dns() }),
      service("dns", { clusterIP: DNS_ADDRESS, ports }, "kube-system"),
      service("web", { clusterIP: NAMES["web.default"] }),
      singlePod("far", { ...at(second), labels: { app: "client" } }),
    );
    await readyPods(kube, "dns", 1, { namespace: "kube-system" });
    const clients = await readyPods(kube, "client", 2);
    for (const [pod, url] of [["client", "http://web"], ["far", "http://web.default"]] as const) {
      const address = clients.find(({ name }) => name === pod)?.address;
      assertEquals(await fetchedOf(kube, pod, `${url}${WHO}`), saw("web", address));
    }
    await assertRejects(() => fetched(kube, "other", "http://web"), Error, "code 143");
  });

  await t.step(
    "a tenant with the same addresses has its own service, by the same DNS",
    async () => {
      const namespace = "two";
      await applyObjects(
        kube,
        singlePod("web", { ...at(first), namespace, container: web("two") }),
        singlePod("guest", { ...at(second), namespace }),
        service("web", { clusterIP: NAMES["web.two"] }, namespace),
      );
      await readyPods(kube, "web", 1, { namespace });
      const [guest] = await readyPods(kube, "guest", 1, { namespace });
      const seen = await fetchedOf(kube, "guest", `http://web${WHO}`, namespace);
      assertEquals(seen, saw("two", guest?.address));
    },
  );

  await t.step("a service without endpoints is refused at once, in both tenants", async () => {
    await applyObjects(kube, service("nobody", { clusterIP: NOBODY }));
    for (const [pod, namespace] of [["client", "default"], ["guest", "two"]] as const) {
      await waitFor(`${pod} to be refused`, async () => {
        const error = await fetched(kube, pod, `http://${NOBODY}`, namespace).catch(String);
        return error.includes("Connection refused");
      }, { limitMs: 60_000 });
    }
  });

  await t.step("pods of both tenants reach what is outside of the cluster", async () => {
    await using server = Deno.serve(
      { hostname: MANAGEMENT_ADDRESS, port: 0, onListen: () => {} },
      (_, { remoteAddr }) => new Response(remoteAddr.hostname),
    );
    const url = `http://${MANAGEMENT_ADDRESS}:${server.addr.port}/`;
    assertEquals(await fetchedOf(kube, "client", url), managementAddress(1));
    assertEquals(await fetchedOf(kube, "guest", url, "two"), managementAddress(2));
  });

  await t.step(
    "strangers come in by a hostPort, with Debian's portmap, and by a NodePort",
    async () => {
      const container = web("port", { ports: [{ containerPort: HTTP_PORT, hostPort: 18_080 }] });
      await applyObjects(
        kube,
        singlePod("port", { ...at(first), container }),
        service("port", {
          type: "NodePort",
          ports: [{ port: 80, targetPort: HTTP_PORT, nodePort: 30_080 }],
        }),
      );
      await readyPods(kube, "port", 1);
      const seenAt = (place: string) =>
        waitFor(`an answer at ${place}`, async () => {
          const asked = fetch(`http://${place}${WHO}`, { signal: hangSignal(2_000) });
          return await asked.then((one) => one.text(), () => false);
        });
      const hosts = [managementAddress(1), managementAddress(2)];
      assertEquals(`${await seenAt(`${hosts[0]}:18080`)}`.trim(), saw("port", MANAGEMENT_ADDRESS));
      // What comes to a NodePort is masqueraded by kube-proxy, with the address NAT of the host that was asked.
      for (const host of hosts) {
        assertMatch(`${await seenAt(`${host}:30080`)}`, /^port saw \[::ffff:100\.66\.0\.\d+\]$/m);
      }
    },
  );

  await t.step("a hostPort of a pod that is aliased is refused, with the reason", async () => {
    const ports = [{ containerPort: HTTP_PORT, hostPort: 18_081 }];
    const parts = { ...at(first), namespace: "two", container: web("refused", { ports }) };
    await applyObjects(kube, singlePod("port", parts));
    const events = await waitFor("the pod's events to name the reason", async () => {
      const text = await kube.kubectl("get", "events", "-n", "two");
      return text.includes("hostPort") && text;
    }, { limitMs: 60_000 });
    assertStringIncludes(events, "pod two/port cannot have hostPort 18081");
    assertStringIncludes(events, "u/red is aliased");
  });
});
