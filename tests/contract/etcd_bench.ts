// An etcd of its own for each test, and stores in it.

import { type OpenOptions, openStore } from "../../lib/store/open_store.ts";
import type { Store } from "../../lib/store/store.ts";
import { type Etcd, type EtcdOptions, startEtcd } from "../lab/etcd.ts";
import type { StoreBench } from "./store_contract.ts";

/** A bench that also has the etcd's address and how one logs in to it. */
export interface EtcdBench extends StoreBench {
  readonly etcd: Etcd;
  readonly options: OpenOptions;
}

/** What a bench's etcd is like, and how its stores are opened. */
export interface EtcdBenchOptions extends EtcdOptions {
  readonly limitMs?: number;
  /** Shows the client's certificate: the way through etcd3. */
  readonly withCertificate?: boolean;
}

/** Starts an etcd and opens an empty store in it. */
export async function startEtcdBench(options: EtcdBenchOptions = {}): Promise<EtcdBench> {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-etcd-" });
  const etcd = await startEtcd(dir, options);
  const opened: Store[] = [];
  const access = accessTo(etcd, options);
  const another = async () => {
    const store = await openStore(etcd.url(), access);
    opened.push(store);
    return store;
  };
  const dispose = async () => {
    await Promise.all(opened.map((one) => one.close()));
    await etcd.stop();
  };
  const store = await another();
  const compact = async () => {
    // What etcd compacts to stays itself: one write more, so that all before is forgotten.
    await etcd.ctl("put", "/compact", "");
    await etcd.compact();
  };
  return { etcd, options: access, store, another, compact, [Symbol.asyncDispose]: dispose };
}

/** Returns the options that open a store in `etcd`. */
export function accessTo(
  { certificates: files, passwordFile }: Etcd,
  { password, limitMs, withCertificate = false }: EtcdBenchOptions = {},
): OpenOptions {
  return {
    ...limitMs === undefined ? {} : { limitMs },
    ...files ? { etcdCa: files.ca } : {},
    ...files && withCertificate ? { etcdCert: files.clientCert, etcdKey: files.clientKey } : {},
    ...password === undefined ? {} : { etcdUser: "root", etcdPasswordFile: passwordFile },
  };
}
