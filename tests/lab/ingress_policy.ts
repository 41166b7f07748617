import { askAgent } from "../../lib/agent/client.ts";

/** Hands the agent `pods` of namespace default, and one NetworkPolicy that guards the pod with the label name=web. */
export async function setIngress(
  socket: string,
  pods: readonly unknown[],
  ingress: readonly unknown[],
): Promise<void> {
  await askAgent({
    socket,
    path: "/v1/kubernetes",
    body: {
      namespaces: [{ name: "default", labels: {} }],
      pods,
      policies: [{
        namespace: "default",
        name: "p",
        podSelector: { matchLabels: { name: "web" } },
        ingress,
      }],
    },
  });
}
