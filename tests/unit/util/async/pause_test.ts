import { pause } from "../../../../lib/util/async/pause.ts";

Deno.test("pause() ends when its signal aborts, at once where it has", async () => {
  const stopping = new AbortController();
  const pausing = pause(60_000, stopping.signal);
  stopping.abort();
  await pausing;
  await pause(60_000, stopping.signal);
});
