import { assertEquals } from "@std/assert";
import { EtcdCluster } from "../../../../lib/store/etcd/etcd_cluster.ts";
import type { Transport } from "../../../../lib/store/etcd/transport.ts";

Deno.test("an answer to a call does not end the pause of failing watches; a message of a watch does", async () => {
  const transport: Transport = {
    call: () => Promise.resolve({ header: { revision: "1" } }),
    watch: () => {
      throw new Error("nobody watches");
    },
    close: () => {},
  };
  const cluster = new EtcdCluster([{ endpoint: "e1", transport }], undefined, 1_000);
  let wakes = 0;
  using _ = cluster.onWatchMessage(() => wakes++);
  await cluster.ask("kv/range", {});
  assertEquals(wakes, 0);
  cluster.noteWatchMessage();
  assertEquals(wakes, 1);
});
