import { assert, assertEquals, assertRejects } from "@std/assert";
import { SharedStreams } from "../../../../lib/store/etcd/shared_streams.ts";
import {
  CODE,
  type EtcdRequest,
  type Transport,
  TransportError,
  type WatchResponse,
} from "../../../../lib/store/etcd/transport.ts";
import { AsyncQueue } from "../../../../lib/util/async/async_queue.ts";

/** One stream as a member sees it. */
interface Opened {
  readonly keys: readonly unknown[];
  readonly token: string | undefined;
  readonly messages: AsyncQueue<WatchResponse>;
  readonly signal: AbortSignal;
}

function memberOf(): { readonly streams: SharedStreams; readonly opened: Opened[] } {
  const opened: Opened[] = [];
  const transport: Transport = {
    call: () => Promise.reject(new Error("not asked for")),
    async *watch(requests, { token, signal }) {
      const messages = new AsyncQueue<WatchResponse>();
      opened.push({ keys: requests.map(({ key }) => key), token, messages, signal });
      const aborted = () => messages.fail(new TransportError(CODE.unavailable, "was aborted"));
      signal.addEventListener("abort", aborted);
      while (true) yield await messages.next();
    },
    close: () => {},
  };
  return { streams: new SharedStreams(transport), opened };
}

const request = (key: string): EtcdRequest => ({ key });
const events = (id: string | undefined, ...keys: string[]): WatchResponse => ({
  ...id === undefined ? {} : { "watch_id": id },
  events: keys.map((key) => ({ kv: { key } })),
});
const created = (id?: string): WatchResponse => ({
  ...id === undefined ? {} : { "watch_id": id },
  created: true,
});

/** Begins watches of these keys; what each receives, and how it ended, is collected. */
function watchAll(streams: SharedStreams, keys: readonly string[], token?: string) {
  return keys.map((key) => {
    const stop = new AbortController();
    const received: string[] = [];
    const { responses, lastMessageMs } = streams.watch(request(key), {
      ...{ token, limitMs: 1_000, signal: stop.signal },
    });
    const ended = (async () => {
      for await (const { events = [], created, canceled } of responses) {
        if (created) received.push("created");
        if (canceled) received.push("canceled");
        received.push(...events.map(({ kv }) => String(kv?.key)));
      }
    })();
    ended.catch(() => {});
    return { received, ended, stop, lastMessageMs };
  });
}

const pause = (ms = 60) => new Promise((done) => setTimeout(done, ms));

Deno.test("watches that begin within a moment share a stream, and each gets its own messages", async () => {
  const { streams, opened } = memberOf();
  const [a, b] = watchAll(streams, ["a", "b"]);
  await pause();
  assertEquals(opened.map(({ keys }) => keys), [["a", "b"]]);
  const [{ messages }] = opened as [Opened];
  for (
    const one of [created(), created("1"), events("1", "b/1"), events(undefined, "a/1", "a/2")]
  ) {
    messages.push(one);
  }
  messages.push(events("7", "unknown"));
  await pause();
  assertEquals(a?.received, ["created", "a/1", "a/2"]);
  assertEquals(b?.received, ["created", "b/1"]);
  assertEquals(a?.lastMessageMs(), b?.lastMessageMs());
  for (const one of [a, b]) one?.stop.abort();
  await Promise.all([a?.ended, b?.ended]);
  assert(opened[0]?.signal.aborted);
});

Deno.test("a watch that begins later, or with another login, has a stream of its own", async () => {
  const { streams, opened } = memberOf();
  const first = watchAll(streams, ["a"]);
  const other = watchAll(streams, ["b"], "token");
  await pause();
  const later = watchAll(streams, ["c"]);
  await pause();
  assertEquals(opened.map(({ keys, token }) => [keys, token]), [
    ...[[["a"], undefined], [["b"], "token"], [["c"], undefined]],
  ]);
  for (const { stop, ended } of [...first, ...other, ...later]) {
    stop.abort();
    await ended;
  }
});

Deno.test("a watch that is refused learns that, and the others go on", async () => {
  const { streams, opened } = memberOf();
  const [a, b, c] = watchAll(streams, ["a", "b", "c"]);
  await pause();
  const [{ messages }] = opened as [Opened];
  messages.push(created("0"));
  messages.push({ "watch_id": "-1", created: true, canceled: true });
  messages.push(created("1"));
  messages.push(events("1", "c/1"));
  await pause();
  assertEquals([a, b, c].map((one) => one?.received), [
    ["created"],
    ["created", "canceled"],
    ["created", "c/1"],
  ]);
  for (const one of [a, b, c]) one?.stop.abort();
});

Deno.test("a stream goes on while one of its watches is left, and ends with the last one", async () => {
  const { streams, opened } = memberOf();
  const [a, b] = watchAll(streams, ["a", "b"]);
  await pause();
  const [{ messages, signal }] = opened as [Opened];
  for (const one of [created("0"), created("1")]) messages.push(one);
  a?.stop.abort();
  await a?.ended;
  messages.push(events("0", "a/1"));
  messages.push(events("1", "b/1"));
  await pause();
  assertEquals([b?.received, signal.aborted], [["created", "b/1"], false]);
  b?.stop.abort();
  await b?.ended;
  assert(signal.aborted);
});

Deno.test("a stream ends once most of its watches have left; those that stay can begin again", async () => {
  const { streams, opened } = memberOf();
  const watches = watchAll(streams, ["a", "b", "c", "d"]);
  await pause();
  const [{ messages, signal }] = opened as [Opened];
  for (const id of ["0", "1", "2", "3"]) messages.push(created(id));
  const [a, b, c, d] = watches;
  for (const one of [a, b]) one?.stop.abort();
  messages.push(events("3", "d/1"));
  await pause();
  assertEquals([d?.received, signal.aborted], [["created", "d/1"], false]);
  c?.stop.abort();
  await d?.ended;
  assert(signal.aborted);
  const [again] = watchAll(streams, ["d"]);
  await pause();
  assertEquals(opened.map(({ keys }) => keys), [["a", "b", "c", "d"], ["d"]]);
  again?.stop.abort();
});

Deno.test("a watch that ends before the stream is opened takes no other along", async () => {
  const { streams, opened } = memberOf();
  const [a] = watchAll(streams, ["a"]);
  a?.stop.abort();
  await a?.ended;
  const [b] = watchAll(streams, ["b"]);
  await pause();
  assertEquals(opened.map(({ keys }) => keys), [["b"]]);
  opened[0]?.messages.push(created());
  await pause();
  assertEquals(b?.received, ["created"]);
  b?.stop.abort();
});

Deno.test("a stream that breaks fails all of its watches", async () => {
  const { streams, opened } = memberOf();
  const watches = watchAll(streams, ["a", "b"]);
  await pause();
  opened[0]?.messages.fail(new TransportError(CODE.unavailable, "connection reset"));
  for (const { ended } of watches) {
    await assertRejects(() => ended, TransportError, "connection reset");
  }
});
