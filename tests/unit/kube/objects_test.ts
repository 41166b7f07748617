import { assertEquals } from "@std/assert";
import {
  hasUid,
  hostPodIn,
  namespaceIn,
  peerPodIn,
  policyIn,
  StringPool,
} from "../../../lib/kube/objects.ts";

const POD = {
  metadata: {
    uid: "u1",
    namespace: "web",
    name: "a",
    resourceVersion: "7",
    labels: { app: "x" },
    annotations: {
      "io.contiv.network": "blue",
      "k8s.v1.cni.cncf.io/network-status": "[]",
      "kubectl.kubernetes.io/last-applied-configuration": "much",
    },
    managedFields: [{ much: true }],
  },
  spec: {
    nodeName: "host1",
    containers: [
      { name: "c", ports: [{ name: "http", containerPort: 80 }, { containerPort: 81 }] },
      { name: "d", ports: [{ name: "dns", containerPort: 53, protocol: "UDP" }] },
    ],
  },
  status: { phase: "Running", podIP: "10.0.0.1", podIPs: [{ ip: "10.0.0.1" }, { ip: "fd00::1" }] },
};

Deno.test("hostPodIn() keeps what is needed of a pod of this host, and no more", () => {
  assertEquals(hostPodIn(POD, new StringPool()), {
    uid: "u1",
    namespace: "web",
    name: "a",
    labels: { app: "x" },
    node: "host1",
    addresses: ["10.0.0.1", "fd00::1"],
    ports: [{ name: "http", protocol: "TCP", port: 80 }, {
      name: "dns",
      protocol: "UDP",
      port: 53,
    }],
    annotations: { "io.contiv.network": "blue", "k8s.v1.cni.cncf.io/network-status": "[]" },
    isHostNetwork: false,
    isEnding: false,
  });
});

Deno.test("a static pod is the one that the runtime knows by the hash of its configuration", () => {
  const mirror = (annotations: object) => ({ ...POD, metadata: { ...POD.metadata, annotations } });
  const [hash, mirrored] = ["kubernetes.io/config.hash", "kubernetes.io/config.mirror"];
  for (
    const [annotations, uids] of [
      [{ [hash]: "h1", [mirrored]: "h1" }, ["h1"]],
      [{ [hash]: "h1" }, ["h1"]],
      [{ [mirrored]: "h1" }, ["h1"]],
      [{ [hash]: "h1", [mirrored]: "h2" }, ["h1", "h2"]],
      [{ [hash]: "" }, undefined],
    ] as const
  ) {
    for (const read of [hostPodIn, peerPodIn]) {
      const pod = read(mirror(annotations), new StringPool())!;
      assertEquals(pod.runtimeUids, uids);
      assertEquals(["u1", ...uids ?? []].every((uid) => hasUid(pod, uid)), true);
      assertEquals(["", "h3", "u"].some((uid) => hasUid(pod, uid)), false);
    }
  }
});

Deno.test("named ports of init containers that keep running are known, those of others are not", () => {
  const port = (name: string, containerPort: number) => ({ ports: [{ name, containerPort }] });
  const spec = {
    containers: [{ name: "c", ...port("http", 80) }],
    initContainers: [
      { name: "mesh", restartPolicy: "Always", ...port("metrics", 15090) },
      { name: "once", ...port("setup", 1) },
      { name: "retry", restartPolicy: "OnFailure", ...port("retry", 2) },
      // Of two ports of one name the container's is the one, as in Kubernetes.
      { name: "shadow", restartPolicy: "Always", ...port("http", 8080) },
    ],
  };
  for (const read of [hostPodIn, peerPodIn]) {
    const { ports = [] } = read({ ...POD, spec }, new StringPool()) ?? {};
    const shown = ports.map(({ name, port }) => `${name} ${port}`);
    assertEquals(shown, ["http 80", "metrics 15090", "http 8080"]);
  }
});

Deno.test("peerPodIn() keeps no annotation", () => {
  assertEquals(Object.keys(peerPodIn(POD, new StringPool()) ?? {}).includes("annotations"), false);
});

Deno.test("hostPodIn() sees an end coming: deleted, succeeded or failed", () => {
  const deleted = { ...POD, metadata: { ...POD.metadata, deletionTimestamp: "2026-01-01" } };
  const failed = { ...POD, status: { phase: "Failed" } };
  for (const pod of [deleted, failed]) {
    assertEquals(hostPodIn(pod, new StringPool())?.isEnding, true);
  }
});

Deno.test("objects of other shapes are ignored, and fields of other types are left out", () => {
  for (const value of [undefined, null, 1, "x", [], {}, { metadata: { uid: "u" } }]) {
    for (const read of [hostPodIn, peerPodIn, namespaceIn, policyIn]) {
      assertEquals(read(value, new StringPool()), undefined);
    }
  }
  const odd = {
    metadata: { uid: "u", name: "n", labels: { a: 1, b: "c" } },
    spec: { containers: 3 },
  };
  assertEquals(hostPodIn(odd, new StringPool())?.labels, { b: "c" });
});

Deno.test("namespaceIn() keeps labels and our annotations; policyIn() the whole spec", () => {
  const metadata = { uid: "u", name: "web", labels: { a: "b" }, annotations: { x: "y" } };
  const value = { metadata, status: { phase: "Terminating" } };
  const namespace = namespaceIn(value, new StringPool());
  assertEquals([namespace?.labels, namespace?.annotations, namespace?.isEnding], [
    { a: "b" },
    {},
    true,
  ]);
  assertEquals(policyIn({ metadata, spec: { podSelector: {} } }, new StringPool())?.spec, {
    podSelector: {},
  });
});
