// etcd beside its documents: members, leader, alarms, and how long its certificates are valid.

import type { EtcdMember, EtcdReport } from "../../store/etcd/examine_etcd.ts";
import type { CheckItem } from "../api/agent_health.ts";
import { judgeCertificate } from "./certificates.ts";
import { type CheckContext, findingsOf } from "./findings.ts";

const findings = findingsOf("store");
const { ok, warning, failed } = findings;

/** What each alarm means, and the way out. */
const ALARMS: Readonly<Record<string, readonly [message: string, fix: string]>> = {
  NOSPACE: [
    "etcd has no space left and refuses all writes (alarm NOSPACE)",
    "etcdctl compact and defrag, raise --quota-backend-bytes, then etcdctl alarm disarm",
  ],
  CORRUPT: [
    "members of etcd differ and it refuses all requests (alarm CORRUPT)",
    "remove the member that differs and add it anew, then etcdctl alarm disarm",
  ],
};

/** Checks etcd, where the store is one. */
export async function checkEtcd(context: CheckContext): Promise<CheckItem[]> {
  const { machine, settings: { store: url, storeOptions = {} } } = context;
  if (!/^etcds?:/.test(url)) return [];
  // Files that cannot be read, the check of the store reports.
  const report = await machine.examineEtcd(url, storeOptions).catch(() => undefined);
  if (!report) return [];
  const answering = report.members.filter(({ fault }) => fault === undefined);
  return [
    // That all are down, the check of the store reports.
    ...answering.length === 0 ? [] : memberItems(report, answering),
    ...report.alarms.map((alarm) => failed("etcd-alarm", ...wordsOf(alarm))),
    ...report.isSecure ? await certificateItems(context, report) : [],
  ];
}

function wordsOf(alarm: string): readonly [message: string, fix: string] {
  return ALARMS[alarm] ?? [`etcd has raised alarm ${alarm}`, "see etcdctl alarm list"];
}

function memberItems({ members }: EtcdReport, answering: readonly EtcdMember[]): CheckItem[] {
  const items: CheckItem[] = [];
  const down = members.filter(({ fault }) => fault !== undefined);
  const [first] = down;
  if (first) {
    const message = `${down.length} of ${members.length} members of etcd do not answer: ${
      first.fault?.why ?? first.endpoint
    }`;
    items.push(warning("etcd-members", message, first.fault?.fix ?? "start them"));
  }
  if (answering.every(({ hasLeader }) => !hasLeader)) {
    const message = "etcd has no leader: it answers no request";
    items.push(
      failed("etcd-members", message, "start more of its members: it needs a majority of them"),
    );
  }
  if (items.length > 0) return items;
  const [one] = answering;
  const size = Math.ceil(Math.max(...answering.map(({ size = 0 }) => size)) / 1024 / 1024);
  const count = members.length === 1 ? "1 member" : `${members.length} members`;
  return [ok("etcd-members", `etcd ${one?.version ?? ""}, ${count}, ${size} MB`)];
}

async function certificateItems(
  { machine }: CheckContext,
  { members }: EtcdReport,
): Promise<CheckItem[]> {
  const nowMs = machine.nowMs();
  // A member that hangs shows none either.
  const asked = members.filter(({ fault }) => fault?.code !== "timeout");
  const items = await Promise.all(asked.map(async ({ endpoint }) => {
    const to = await machine.certificateEnd(endpoint).catch(() => undefined);
    if (!to) return [];
    const what = `certificate of etcd at ${endpoint}`;
    const fix = "renew it, and restart that member";
    return [judgeCertificate(findings, "etcd-server-cert", { what, to }, { nowMs, fix })];
  }));
  const all = items.flat();
  const wrong = all.filter(({ state }) => state !== "ok");
  return wrong.length > 0 ? wrong : all.slice(0, 1);
}
