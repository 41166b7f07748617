// Fills a store with a cluster: hosts, networks, endpoints, policies, and the attachments of running pods, all made by
// the product's own plans, and written in bulk.

import { planClaim } from "../../lib/agent/pods/claim.ts";
import { planRequest } from "../../lib/agent/store/apply.ts";
import { chooseEndpoints } from "../../lib/intent/bind.ts";
import { IndexedDocuments } from "../../lib/intent/indexed_documents.ts";
import { planCommits } from "../../lib/intent/plan_commits.ts";
import { type AttachmentRecord, keys, SCHEMA } from "../../lib/intent/records.ts";
import { INDEX_VERSION, indexKeys, indexOf } from "../../lib/intent/store_index.ts";
import type { Json, Store, Write } from "../../lib/store/store.ts";

/** How large a cluster is. */
export interface ClusterSize {
  readonly hosts: number;
  readonly tenants: number;
  /** Of each tenant. */
  readonly networks: number;
  /** Of each network. */
  readonly endpoints: number;
  /** Of each tenant. */
  readonly policies: number;
}

/** The name of an endpoint, which is that of its pod, too. */
export const podName = (tenant: number, network: number, n: number) => `t${tenant}n${network}e${n}`;

/** The groups of one tenant: those of network 0 let only `client` in to `web`. */
export const GROUPS = { receiver: "web", allowed: "client", denied: "other" } as const;

const GROUPED = 40;

function groupOf(network: number, n: number): string | undefined {
  if (network === 0 && n < 2) return n === 0 ? GROUPS.receiver : GROUPS.allowed;
  return network < GROUPED ? `g${network}` : undefined;
}

function policiesOf(count: number): unknown[] {
  const guard = {
    Name: "guard",
    Rules: [
      { Id: "1", Priority: 1, Direction: "in", Action: "deny" },
      { Id: "2", Priority: 10, Direction: "in", FromGroup: GROUPS.allowed, Action: "allow" },
    ],
  };
  const others = Array.from({ length: count - 1 }, (_, n) => ({
    Name: `p${n}`,
    Rules: ["in", "out"].map((direction) => ({
      Id: direction,
      Priority: 2 + n % 90,
      Direction: direction,
      [direction === "in" ? "FromGroup" : "ToGroup"]: `g${(n + 1) % GROUPED}`,
      Protocol: "tcp",
      Port: 8_000 + n,
      Action: n % 3 === 0 ? "deny" : "allow",
    })),
  }));
  return [guard, ...others];
}

function tenantOf(tenant: number, { networks, endpoints, policies }: ClusterSize): unknown {
  const grouped = Math.min(GROUPED, networks);
  return {
    Name: `t${tenant}`,
    DefaultNetType: "vxlan",
    SubnetPool: `${10 + tenant}.0.0.0/8`,
    AllocSubnetLen: 24,
    Vxlans: `${10_000 + tenant * 1_000}-${10_999 + tenant * 1_000}`,
    Policies: policiesOf(policies),
    Groups: [
      { Name: GROUPS.receiver, Network: "n0", Policies: ["guard"] },
      { Name: GROUPS.allowed, Network: "n0" },
      { Name: GROUPS.denied, Network: "n0" },
      ...Array.from({ length: grouped }, (_, n) => ({
        Name: `g${n}`,
        Network: `n${n}`,
        Policies: Array.from(
          { length: policies - 1 },
          (_, policy) => policy % grouped === n ? [`p${policy}`] : [],
        ).flat(),
      })),
    ],
    Networks: Array.from({ length: networks }, (_, network) => ({
      Name: `n${network}`,
      Endpoints: Array.from({ length: endpoints }, (_, n) => ({
        Container: podName(tenant, network, n),
        Group: groupOf(network, n),
      })),
    })),
  };
}

function intentOf(size: ClusterSize): unknown {
  return {
    Hosts: Array.from({ length: size.hosts }, (_, n) => ({
      Name: `host${n}`,
      VtepIp: `192.${168 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`,
    })),
    Tenants: Array.from({ length: size.tenants }, (_, n) => tenantOf(n, size)),
  };
}

/** The documents of a cluster in which pods run on all hosts but `host0`, as far as `hasPod` reports. */
export function clusterDocuments(
  size: ClusterSize,
  hasPod: (tenant: number, network: number, n: number) => boolean,
): IndexedDocuments {
  const documents = new IndexedDocuments();
  const put = ({ key, value }: Write) => documents.set(key, { value, revision: 1 });
  const { plan } = planRequest(documents, {
    ...{ mode: "add", text: JSON.stringify(intentOf(size)) },
  });
  for (const { writes } of planCommits(plan)) writes.forEach(put);
  for (let host = 1; host < size.hosts; host++) {
    put({
      key: keys.presence(`host${host}`),
      value: {
        ...{ schema: SCHEMA, host: `host${host}`, instance: `${host}`.padStart(16, "0") },
        ...{ version: "1", beat: 1, reads: SCHEMA + 1, mtu: 1_500, everyMs: 10_000 },
        indexes: INDEX_VERSION,
        at: new Date().toISOString(),
      },
    });
  }
  let count = 0;
  for (let tenant = 0; tenant < size.tenants; tenant++) {
    for (let network = 0; network < size.networks; network++) {
      for (let n = 0; n < size.endpoints; n++) {
        if (!hasPod(tenant, network, n)) continue;
        const host = `host${1 + count++ * 7_919 % (size.hosts - 1)}`;
        attach(documents, { host, pod: podName(tenant, network, n), count }).forEach(put);
      }
    }
  }
  const indexes = [...documents].flatMap(([key, { value }]) => [...indexOf(key, value)]);
  for (const [key, value] of indexes) put({ key, value });
  put({ key: indexKeys.complete, value: { schema: SCHEMA, version: INDEX_VERSION } });
  return documents;
}

/** Returns what a set-up of a pod on a host writes. */
function attach(
  documents: IndexedDocuments,
  { host, pod, count }: { readonly host: string; readonly pod: string; readonly count: number },
): readonly Write[] {
  const sandbox = count.toString(16).padStart(64, "0");
  const choices = chooseEndpoints(documents, { host, namespace: "default", pod, sandbox });
  const place = {
    ...{ host, sandbox, netns: `/run/netns/${sandbox}`, netnsInode: 4_026_532_000 + count },
    pod: { namespace: "default", name: pod },
  };
  const { writes } = planClaim(documents, place, choices, {
    newId: () => count.toString(16).padStart(11, "0"),
    mtuOf: () => 1_450,
    isAliasTaken: () => false,
  });
  return writes.map((write) => {
    if (!write.key.startsWith("attachments/")) return write;
    const value = { ...write.value as unknown as AttachmentRecord, state: "ready" };
    return { ...write, value: value as unknown as Json };
  });
}

const BATCH = 90;
const AT_ONCE = 24;

/** Writes the documents to `store`, which is empty. */
export async function writeAll(store: Store, documents: IndexedDocuments): Promise<void> {
  const writes = [...documents].map(([key, { value }]) => ({ key, value: value as Json }));
  const worker = async () => {
    while (writes.length > 0) {
      const batch: Write[] = [];
      let bytes = 0;
      while (batch.length < BATCH && writes.length > 0 && bytes < 200_000) {
        const next = writes.pop()!;
        bytes += JSON.stringify(next.value).length;
        batch.push(next);
      }
      await store.commit([], batch);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
