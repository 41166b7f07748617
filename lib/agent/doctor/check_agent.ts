// The agent of this host: its socket, and what it says of itself.

import type { CheckItem, HealthAnswer } from "../api/agent_health.ts";
import { type CheckContext, findingsOf, isAlive } from "./findings.ts";

const { ok, warning, failed, fault } = findingsOf("agent");

/** Checks the agent. */
export async function checkAgent(context: CheckContext): Promise<CheckItem[]> {
  const { machine, socket } = context;
  const health = await context.health;
  const owner = await ownerItem(context);
  if (owner) return [owner];
  if (isAlive(health)) return healthItems(context, health);
  const isThere = await machine.stat(socket).catch(() => undefined);
  const how = isThere
    ? `systemctl restart k8contivnet, and see journalctl -u k8contivnet`
    : `systemctl start k8contivnet, or "k8contivnet netplugin"; name another socket in K8CONTIVNET_SOCKET`;
  return [fault("agent", health, how)];
}

/** Whoever listens there gets every pod's set-up. */
async function ownerItem({ machine, socket }: CheckContext): Promise<CheckItem | undefined> {
  const facts = await machine.stat(socket).catch(() => undefined);
  if (!facts) return undefined;
  if (facts.kind !== "socket") {
    return failed("socket", `${socket} is not a socket`, `remove it: rm ${socket}`);
  }
  if (facts.uid === 0 || facts.uid === machine.uid) {
    const isOpen = (facts.mode & 0o007) !== 0;
    if (!isOpen) return undefined;
    return failed("socket", `${socket} is open to all users`, `chmod 0600 ${socket}`);
  }
  const message = `${socket} belongs to user ${facts.uid}: somebody else answers pods' set-ups`;
  return failed("socket", message, `end that process, remove ${socket}, start the agent`);
}

function healthItems({ version }: CheckContext, health: HealthAnswer): CheckItem[] {
  const { storeAway, held, unreadable, ovsdb, openflow, policies, kube } = health;
  const { reach, reachWarnings = [], withoutEndpoint = 0 } = health;
  return [
    ok("agent", `agent ${health.version} of host ${health.host} answers, pid ${health.pid}`),
    ...health.version === version ? [] : [warning(
      "agent-version",
      `agent has version ${health.version}, this file ${version}`,
      "restart the agent: running pods stay connected",
    )],
    storeAway === undefined ? ok("agent-store", "agent reaches its store") : failed(
      "agent-store",
      `agent does not reach its store: ${storeAway}`,
      "see the checks of the store",
    ),
    ...held === 0 ? [] : [warning(
      "pending-writes",
      `${held} set-ups are not recorded in the store yet`,
      "they are written when the store is reachable",
    )],
    ...unreadable.length === 0 ? [] : [warning(
      "unreadable",
      `${unreadable.length} records of the store are not readable: ${unreadable[0]}`,
      "use the version that wrote them, or apply the intent again",
    )],
    ...withoutEndpoint === 0 ? [] : [warning(
      "without-endpoint",
      `${withoutEndpoint} running ${withoutEndpoint === 1 ? "pod has" : "pods have"} lost ${
        withoutEndpoint === 1 ? "its endpoint, and has" : "their endpoints, and have"
      } no network`,
      "list them: k8contivnet get attachments -l state=unmatched; apply an intent with endpoints or a network for them",
    )],
    ovsdb === "up" && openflow === "up"
      ? ok("agent-ovs", "agent is connected to Open vSwitch")
      : failed(
        "agent-ovs",
        `agent is not connected: OVSDB ${ovsdb}, OpenFlow ${openflow}`,
        "see the checks of Open vSwitch",
      ),
    policies === undefined
      ? ok("policies", "policies are in force")
      : failed("policies", `policies are not in force: ${policies}`, "see the agent's log"),
    ...reach === undefined
      ? []
      : [failed("reach", `what networks may reach is not set up: ${reach}`, "see the agent's log")],
    ...reachWarnings.map(({ what, fix }) => warning("reach", what, fix)),
    ...kube === undefined ? [] : [
      kube.state === "up"
        ? ok("kubernetes", `API server ${kube.server} answers, node ${kube.node}`)
        : failed(
          "kubernetes",
          `API server ${kube.server} is unreachable: ${kube.why}`,
          "see k8contivnet kube status",
        ),
    ],
  ];
}
