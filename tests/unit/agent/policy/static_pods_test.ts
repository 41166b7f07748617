// Which pod of the API server policies take for the pod of an attachment, which has the UID that the runtime reports.

import { assertEquals } from "@std/assert";
import { Compiler } from "../../../../lib/agent/policy/compiler.ts";
import { attachmentOf, documentsOf, endpointOf } from "../pods/dynamic_records.ts";

/** Returns the labels by which policies know pod default/web, whose runtime reports UID `hash`. */
function labelsKnown(pod: { readonly uid: string; readonly runtimeUids?: readonly string[] }) {
  const compiler = new Compiler();
  const documents = documentsOf({
    endpoints: [endpointOf("web", "10.9.0.1")],
    attachments: [attachmentOf("web", "10.9.0.1", { podUid: "hash" })],
  });
  const web = {
    ...{ namespace: "default", name: "web", labels: { app: "web" }, addresses: [] },
    ports: [{ name: "http", protocol: "TCP" as const, port: 80 }],
  };
  const kube = { namespaces: [], pods: [{ ...web, ...pod }], policies: [] };
  compiler.update({ documents, kube, host: "host1", tagOf: () => 5 });
  const [endpoint] = [...compiler.model.endpoints].map(([, one]) => one);
  return endpoint?.hasUnknownLabels ? "unknown" : [endpoint?.labels.app, endpoint?.ports.length];
}

Deno.test("policies apply to static pods: labels and ports are known by the hash of the configuration", () => {
  assertEquals(labelsKnown({ uid: "u1", runtimeUids: ["hash"] }), ["web", 1]);
  assertEquals(labelsKnown({ uid: "hash" }), ["web", 1]);
});

Deno.test("a pod of that name with another UID, or a static pod with another configuration, is another pod", () => {
  assertEquals(labelsKnown({ uid: "u1" }), "unknown");
  assertEquals(labelsKnown({ uid: "u1", runtimeUids: ["hash2"] }), "unknown");
});
