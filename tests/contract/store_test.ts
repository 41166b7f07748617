// The store's contract against every driver.

import { startSqlite } from "./sqlite_bench.ts";
import { storeContract } from "./store_contract.ts";
import { watchContract } from "./store_watch_contract.ts";

storeContract("sqlite", startSqlite);
watchContract("sqlite", startSqlite);
