// The store's contract against every driver, and etcd's by both of its ways.

import { startEtcdBench } from "./etcd_bench.ts";
import { startSqlite } from "./sqlite_bench.ts";
import { storeContract } from "./store_contract.ts";
import { watchContract } from "./store_watch_contract.ts";

storeContract("sqlite", startSqlite);
watchContract("sqlite", startSqlite);

storeContract("etcd", startEtcdBench);
watchContract("etcd", startEtcdBench);

const byPassword = () => startEtcdBench({ tls: "server", password: "first words" });
storeContract("etcd with TLS and a password", byPassword);
watchContract("etcd with TLS and a password", byPassword);

const byCertificate = () =>
  startEtcdBench({ tls: "mutual", withCertificate: true, serverUseOnly: true });
storeContract("etcd by a client's certificate", byCertificate);
watchContract("etcd by a client's certificate", byCertificate);
