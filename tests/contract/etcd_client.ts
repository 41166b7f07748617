// etcd_client.ts URL OPTIONS: uses the store at URL in every way, closes it, and says when. That it
// then ends by itself is what etcd_exit_test.ts waits for.

import { openStore } from "../../lib/store/open_store.ts";

const [url = "", options = "{}"] = Deno.args;
const store = await openStore(url, JSON.parse(options));
const signal = new AbortController().signal;

async function watch(): Promise<string> {
  try {
    for await (const _ of store.watch("", 0, signal));
    return "ended";
  } catch (error) {
    return error instanceof Error ? error.message : "?";
  }
}

const watching = watch();
for (const key of ["a", "b"]) {
  // Fails while etcd is down: the process must be able to end then, too.
  await store.commit([], [{ key, value: 1 }]).catch(() => {});
}
await store.list("").catch(() => {});
const closing = performance.now();
await store.close();
console.log(await watching);
console.log(`closed in ${Math.round(performance.now() - closing)} ms`);
