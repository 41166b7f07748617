// The rules of a NetworkPolicy as lines for people: `ingress[0]: allow from pods app=web, TCP 80`. Pure.

import { oneLine } from "../util/errors.ts";
import type { LabelSelector } from "../util/label_selectors.ts";
import type { KubePeer, KubePort, NetworkPolicy } from "./input.ts";

/** Returns a line for each rule, ingress first; each begins with the place that a trace names. */
export function kubeRuleTexts({ ingress = [], egress = [] }: NetworkPolicy): string[] {
  return [
    ...ingress.map(({ from, ports }, at) => `ingress[${at}]: ${ruleText("from", from, ports)}`),
    ...egress.map(({ to, ports }, at) => `egress[${at}]: ${ruleText("to", to, ports)}`),
  ].map((line) => oneLine(line, Infinity));
}

/** An empty list of peers or ports means any, as an absent one (API v1). */
function ruleText(
  word: "from" | "to",
  peers: readonly KubePeer[] = [],
  ports: readonly KubePort[] = [],
): string {
  const others = peers.length > 0 ? peers.map(peerText).join(" or ") : "any";
  const services = ports.length > 0 ? ports.map(portText).join(", ") : "any port";
  return `allow ${word} ${others}, ${services}`;
}

function peerText({ podSelector, namespaceSelector, ipBlock }: KubePeer): string {
  if (ipBlock) {
    const { cidr, except = [] } = ipBlock;
    return except.length > 0 ? `${cidr} except ${except.join(", ")}` : cidr;
  }
  const pods = `pods${podSelector ? selectorText(podSelector) : ""}`;
  return namespaceSelector ? `${pods} in namespaces${selectorText(namespaceSelector)}` : pods;
}

/** An empty selector selects all. */
function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const words = [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(({ key, operator, values = [] }) => {
      if (operator === "Exists") return key;
      if (operator === "DoesNotExist") return `!${key}`;
      return `${key} ${operator === "In" ? "in" : "notin"} (${values.join(",")})`;
    }),
  ];
  return words.length > 0 ? ` ${words.join(",")}` : "";
}

function portText({ protocol = "TCP", port, endPort }: KubePort): string {
  if (port === undefined) return protocol;
  return `${protocol} ${port}${endPort === undefined ? "" : `-${endPort}`}`;
}
