// The store: reachable and quick, certificates, other hosts' heartbeats and clocks, records without contradictions.

import { X509Certificate } from "node:crypto";
import { auditClaims } from "../../intent/audit.ts";
import type { AttachmentRecord, Document, PresenceRecord } from "../../intent/records.ts";
import { whyUnreadable } from "../../intent/readable.ts";
import type { Entry } from "../../store/store.ts";
import { faultFrom } from "../../util/errors.ts";
import type { CheckItem } from "../api.ts";
import { type CheckContext, findingsOf } from "./findings.ts";

const { ok, warning, failed, fault } = findingsOf("store");

const SLOW_MS = 500;
const DAY_MS = 86_400_000;
const CERTIFICATE_DAYS = 14;
// etcd's heartbeats take a moment to arrive.
const SKEW_MS = 5_000;
const SILENT_BEATS = 3;
// A store of this size is read in a tenth of a second; of a larger one only the heartbeats are.
const MOST_DOCUMENTS = 20_000;

/** Checks the store. */
export async function checkStore(context: CheckContext): Promise<CheckItem[]> {
  const { machine, settings: { store: url, storeOptions = {} } } = context;
  const certificates = await certificateItems(context);
  const startedMs = performance.now();
  try {
    const store = await machine.openStore(url, storeOptions);
    try {
      const { entries } = await store.list("agents/");
      const tookMs = Math.round(performance.now() - startedMs);
      const reached = tookMs < SLOW_MS ? ok("store", `${url} answers in ${tookMs} ms`) : warning(
        "store",
        `${url} takes ${tookMs} ms to answer`,
        "see its disk and the network to it",
      );
      const all = (await store.list("")).entries;
      return [...certificates, reached, ...hostItems(context, entries), ...recordItems(all)];
    } finally {
      await store.close();
    }
  } catch (error) {
    return [...certificates, storeFault(error)];
  }
}

/** A fault of the store says what is wrong; its fix is added to where it says none. */
function storeFault(error: unknown): CheckItem {
  const { what, why } = faultFrom(error);
  if (/space|NOSPACE|exceeded/i.test(`${what} ${why}`)) {
    return failed(
      "store",
      `${what}: ${why}`,
      "compact and defragment etcd, then etcdctl alarm disarm",
    );
  }
  return fault("store", error, "see whether it runs, and its log");
}

/** The certificates of the connection, by their dates. */
async function certificateItems({ machine, settings }: CheckContext): Promise<CheckItem[]> {
  const { etcdCa, etcdCert } = settings.storeOptions ?? {};
  const files = [etcdCa, etcdCert].filter((file) => file !== undefined);
  return await Promise.all(files.map(async (file) => {
    const id = file === etcdCa ? "etcd-ca" : "etcd-cert";
    try {
      return certificateItem(id, file, await machine.readText(file), machine.nowMs());
    } catch (error) {
      return fault(id, error, `see whether ${file} is a certificate`);
    }
  }));
}

function certificateItem(id: string, file: string, text: string, nowMs: number): CheckItem {
  const { validFrom, validTo } = new X509Certificate(text);
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
  const fix = "replace it: the agent reads it when it starts";
  const day = new Date(to).toISOString().slice(0, 10);
  if (nowMs > to) return failed(id, `certificate ${file} expired on ${day}`, fix);
  if (nowMs < from) {
    const start = new Date(from).toISOString().slice(0, 10);
    return failed(
      id,
      `certificate ${file} is not valid before ${start}`,
      "see whether the clock is right",
    );
  }
  const days = Math.floor((to - nowMs) / DAY_MS);
  if (days < CERTIFICATE_DAYS) {
    return warning(id, `certificate ${file} expires in ${days} days`, fix);
  }
  return ok(id, `certificate ${file} is valid until ${day}`);
}

/** Heartbeats of all hosts: a silent one, or one whose clock differs, shows in what it wrote last. */
function hostItems({ machine }: CheckContext, entries: readonly Entry[]): CheckItem[] {
  const now = machine.nowMs();
  const hosts = entries.filter(({ key, value }) => whyUnreadable(key, value) === undefined)
    .map(({ value }) => value as unknown as PresenceRecord);
  if (hosts.length === 0) return [];
  const items = hosts.flatMap(({ host, at, everyMs = 10_000, lost }): CheckItem[] => {
    if (at === undefined || lost) return [];
    const ageMs = now - Date.parse(at);
    if (ageMs < -SKEW_MS) {
      const message = `clock of host ${host} is ${Math.round(-ageMs / 1000)} s ahead of this one`;
      return [warning("clock-skew", message, "let all hosts follow one time server")];
    }
    if (ageMs <= everyMs * SILENT_BEATS + SKEW_MS) return [];
    const fix =
      `start its agent and compare clocks; if it never comes back: k8contivnet gc --host ${host}`;
    return [warning("silent-host", `host ${host} wrote its last heartbeat at ${at}`, fix)];
  });
  return items.length > 0
    ? items
    : [ok("hosts", `${hosts.length} hosts, all with fresh heartbeats`)];
}

function recordItems(entries: readonly Entry[]): CheckItem[] {
  if (entries.length > MOST_DOCUMENTS) {
    return [ok("records", `${entries.length} records: compare them by k8contivnet ipam check`)];
  }
  const documents = new Map<string, Document>(entries.map((one) => [one.key, one]));
  const differences = auditClaims(documents);
  return [
    differences.length === 0
      ? ok("records", `${entries.length} records without contradictions`)
      : failed(
        "records",
        `${differences.length} records contradict each other`,
        "see k8contivnet ipam check, then --repair",
      ),
    duplicateItem(entries),
  ];
}

/** Two pods of one network with one address. */
function duplicateItem(entries: readonly Entry[]): CheckItem {
  const holders = new Map<string, Set<string>>();
  for (const { key, value } of entries) {
    if (!key.startsWith("attachments/") || whyUnreadable(key, value) !== undefined) continue;
    const { tenant, network, addresses, pod, host } = value as unknown as AttachmentRecord;
    for (const address of addresses) {
      const place = `${address.split("/")[0]} of ${tenant}/${network}`;
      const pods = holders.get(place) ?? new Set();
      holders.set(place, pods.add(`${pod.namespace}/${pod.name} on ${host}`));
    }
  }
  const double = [...holders].find(([, pods]) => pods.size > 1);
  if (!double) return ok("addresses", "no address is used twice");
  const [address, pods] = double;
  return failed(
    "addresses",
    `${address} is used by ${[...pods].join(" and ")}`,
    "delete one of these pods",
  );
}
