// The store: reachable and quick, certificates, other hosts' heartbeats and clocks, records without contradictions.

import { X509Certificate } from "node:crypto";
import { dirname } from "@std/path";
import { auditClaims } from "../../intent/audit.ts";
import { isSilent, SKEW_MS } from "../../intent/heartbeats.ts";
import type { AttachmentRecord, Document, PresenceRecord } from "../../intent/records.ts";
import { whyUnreadable } from "../../intent/readable.ts";
import { sqlitePath } from "../../store/open_store.ts";
import type { Entry, Store } from "../../store/store.ts";
import { faultFrom } from "../../util/errors.ts";
import type { CheckItem } from "../api/agent_health.ts";
import { judgeCertificate } from "./certificates.ts";
import { type CheckContext, findingsOf } from "./findings.ts";
import { recordBudget } from "./record_budget.ts";

const findings = findingsOf("store");
const { ok, warning, failed, fault } = findings;

const SLOW_MS = 500;
// Most hosts that a message names.
const SHOWN = 5;

/** Checks the store. */
export async function checkStore(context: CheckContext): Promise<CheckItem[]> {
  const { machine, settings: { store: url, storeOptions = {} } } = context;
  const certificates = await certificateItems(context);
  try {
    const store = await machine.openStore(url, storeOptions);
    try {
      const startedMs = performance.now();
      const [{ entries, tookMs }, hosts, all] = await Promise.all([
        store.list("agents/").then(({ entries }) => ({
          entries,
          tookMs: Math.round(performance.now() - startedMs),
        })),
        // A file is the store of one host.
        url.startsWith("sqlite:") ? [] : store.list("hosts/").then(({ entries }) => entries),
        fewRecords(store),
      ]);
      const reached = tookMs < SLOW_MS ? ok("store", `${url} answers in ${tookMs} ms`) : warning(
        "store",
        `${url} takes ${tookMs} ms to answer`,
        "see its disk and the network to it",
      );
      const records = recordItems(all);
      return [...certificates, reached, ...hostItems(context, entries, hosts), ...records];
    } finally {
      await store.close();
    }
  } catch (error) {
    return [...certificates, await futureItem(context) ?? storeFault(error)];
  }
}

/** Before its first start, an agent has neither its state folder nor a store in it: it creates both. */
async function futureItem(
  { machine, settings: { store: url, stateDir } }: CheckContext,
): Promise<CheckItem | undefined> {
  if (!url.startsWith("sqlite:") || dirname(sqlitePath(url)) !== dirname(`${stateDir}/x`)) return;
  const isThere = await machine.stat(stateDir).then((facts) => facts !== undefined, () => true);
  if (isThere) return;
  return ok(
    "store",
    `store ${sqlitePath(url)} does not exist yet: the agent creates it at its start`,
  );
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
  const dates = {
    what: `certificate ${file}`,
    from: new Date(validFrom),
    to: new Date(validTo),
  };
  const fix = "replace it: the agent reads it when it starts";
  return judgeCertificate(findings, id, dates, { nowMs, fix });
}

/**
 * Heartbeats of all hosts: a silent one, or one whose clock differs, shows in what it wrote last. If all others seem to
 * be ahead, or this host has written in its own future, its own clock is behind.
 */
function hostItems(
  { machine, settings }: CheckContext,
  entries: readonly Entry[],
  ofIntent: readonly Entry[],
): CheckItem[] {
  const now = machine.nowMs();
  const hosts = entries.filter(({ key, value }) => whyUnreadable(key, value) === undefined)
    .map(({ value }) => value as unknown as PresenceRecord)
    .flatMap((one) => {
      const { host, at, lost } = one;
      if (at === undefined || lost) return [];
      return [{ host, at, ageMs: now - Date.parse(at), isSilent: isSilent(one, now) }];
    });
  const items = withoutAgent(ofIntent, hosts);
  if (hosts.length === 0) return items;
  const ahead = hosts.filter(({ ageMs }) => ageMs < -SKEW_MS);
  const others = hosts.filter(({ host }) => host !== settings.host);
  const isOwn = ahead.some(({ host }) => host === settings.host) ||
    (others.length > 1 && others.every((one) => ahead.includes(one)));
  items.push(
    ...isOwn ? [behindItem(ahead)] : ahead.map(({ host, ageMs }) =>
      warning(
        "clock-skew",
        `clock of host ${host} is ${seconds(ageMs)} s ahead of this one`,
        "let all hosts follow one time server",
      )
    ),
  );
  const silent = hosts.filter((one) => one.isSilent);
  items.push(...silent.map(({ host, at, ageMs }) =>
    warning(
      "silent-host",
      `host ${host} wrote its last heartbeat at ${at}, ${seconds(ageMs)} s ago by this clock`,
      `start its agent and compare clocks; if it never comes back: k8contivnet gc --host ${host}`,
    )
  ));
  return items.length > 0
    ? items
    : [ok("hosts", `${hosts.length} hosts, all with fresh heartbeats`)];
}

/** Hosts of the intent that have no agent with this store, or that gc --host has removed. */
function withoutAgent(
  ofIntent: readonly Entry[],
  hosts: readonly { readonly host: string }[],
): CheckItem[] {
  const missing = ofIntent.map(({ key }) => key.slice("hosts/".length))
    .filter((name) => !hosts.some(({ host }) => host === name)).sort();
  const [first] = missing;
  if (first === undefined) return [];
  const more = missing.length > SHOWN ? ` and ${missing.length - SHOWN} more` : "";
  const names = missing.slice(0, SHOWN).join(", ") + more;
  const message = `${
    missing.length === 1 ? "host" : "hosts"
  } of the intent without an agent: ${names}`;
  const fix =
    `start an agent with --host-label ${first}, or delete the host: k8contivnet delete -h`;
  return [warning("host-without-agent", message, fix)];
}

function behindItem(
  ahead: readonly { readonly host: string; readonly ageMs: number }[],
): CheckItem {
  const by = Math.max(...ahead.map(({ ageMs }) => seconds(ageMs)));
  const hosts = ahead.map(({ host }) => host).join(", ");
  const message = `this host's clock is ${by} s behind: heartbeats of ${hosts} are from its future`;
  return failed("clock-skew", message, "let this host follow the time server of the others");
}

function seconds(ageMs: number): number {
  return Math.round(Math.abs(ageMs) / 1000);
}

/** Returns all records, or how many they are if they are too many. */
async function fewRecords(
  store: Pick<Store, "count" | "list">,
): Promise<readonly Entry[] | number> {
  const { count, isFew } = await recordBudget(store, "");
  return isFew ? (await store.list("")).entries : count;
}

function recordItems(entries: readonly Entry[] | number): CheckItem[] {
  if (typeof entries === "number") {
    return [ok("records", `${entries} records: compare them by k8contivnet ipam check`)];
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
