// The API server of Kubernetes: credentials, rights, certificates and its clock, also when the agent is dead.

import { X509Certificate } from "node:crypto";
import type { AccessReport } from "../../kube/examine_access.ts";
import { Fault } from "../../util/errors.ts";
import type { CheckItem } from "../api/agent_health.ts";
import { judgeCertificate } from "./certificates.ts";
import { type CheckContext, findingsOf } from "./findings.ts";

const findings = findingsOf("Kubernetes");
const { ok, warning, failed, fault } = findings;

// A server's clock is known to the second, and its answer may take some.
const SKEW_MS = 5_000;

/** Checks the API server, where the agent has one. */
export async function checkApiServer(context: CheckContext): Promise<CheckItem[]> {
  const { machine, settings: { kube } } = context;
  if (!kube) return [];
  let report: AccessReport;
  try {
    report = await machine.examineAccess(kube);
  } catch (error) {
    // Only the agent runs in a pod, and says itself whether it reaches the server.
    if (kube.kubeconfig === "in-cluster" && error instanceof Fault && error.code === "usage") {
      return [];
    }
    return [fault("api-server", error, `see ${kube.kubeconfig}`)];
  }
  return [
    ...report.fault
      ? [fault("api-server", report.fault, "see whether it runs")]
      : rightItems(report),
    ...clockItems(context, report),
    ...ownCertificateItems(context, kube.kubeconfig, report),
    ...await serverCertificateItems(context, report),
  ];
}

function rightItems({ server, missing }: AccessReport): CheckItem[] {
  const answers = ok("api-server", `API server ${server} takes our credentials`);
  if (missing.length === 0) return [answers, ok("api-rights", "all rights that the agent needs")];
  const message = `API server ${server} does not permit us to ${missing.join(", ")}`;
  return [answers, failed("api-rights", message, "k8contivnet kube rbac | kubectl apply -f -")];
}

function clockItems({ machine }: CheckContext, { clockMs }: AccessReport): CheckItem[] {
  if (clockMs === undefined) return [];
  const byMs = clockMs - machine.nowMs();
  if (Math.abs(byMs) <= SKEW_MS) return [ok("api-clock", "its clock agrees with this host's")];
  const side = byMs > 0 ? "behind" : "ahead of";
  const message = `this host's clock is ${
    Math.round(Math.abs(byMs) / 1000)
  } s ${side} the API server's`;
  const fix =
    "synchronise all clocks (NTP): with such a difference, tokens may be refused as expired";
  return [warning("api-clock", message, fix)];
}

function ownCertificateItems(
  { machine }: CheckContext,
  kubeconfig: string,
  { certificate }: AccessReport,
): CheckItem[] {
  if (certificate === undefined) return [];
  try {
    const { validFrom, validTo } = new X509Certificate(certificate);
    const what = `client certificate of ${kubeconfig}`;
    const dates = { what, from: new Date(validFrom), to: new Date(validTo) };
    const fix = "renew it: the agent reads it at its next connection";
    return [judgeCertificate(findings, "api-client-cert", dates, { nowMs: machine.nowMs(), fix })];
  } catch (error) {
    return [fault("api-client-cert", error, `see the certificate in ${kubeconfig}`)];
  }
}

async function serverCertificateItems(
  { machine }: CheckContext,
  { server, fault }: AccessReport,
): Promise<CheckItem[]> {
  // A server that hangs shows none either.
  if (!server.startsWith("https:") || fault?.code === "timeout") return [];
  const to = await machine.certificateEnd(new URL(server).host).catch(() => undefined);
  if (!to) return [];
  const dates = { what: `certificate of API server ${server}`, to };
  const fix = "renew it, and restart the API server";
  return [judgeCertificate(findings, "api-server-cert", dates, { nowMs: machine.nowMs(), fix })];
}
