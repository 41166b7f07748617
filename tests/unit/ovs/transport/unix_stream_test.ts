// What goes out over a unix stream in one write.

import { assertEquals } from "@std/assert";
import { UnixStream } from "../../../../lib/ovs/transport/unix_stream.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** Returns a stream, and what has been written to it, write by write. */
function openStream(): { readonly stream: UnixStream; readonly writes: string[] } {
  const writes: string[] = [];
  const conn = {
    write: (bytes: Uint8Array) => {
      writes.push(new TextDecoder().decode(bytes));
      return Promise.resolve(bytes.length);
    },
  };
  return { stream: new UnixStream(conn as unknown as Deno.Conn, "a server"), writes };
}

Deno.test("what is sent in one turn goes out in one write, with what is sent in its first microtask", async () => {
  const { stream, writes } = openStream();
  stream.send(bytesOf("flow 1, "));
  stream.send(bytesOf("flow 2, "));
  void Promise.resolve().then(() => stream.send(bytesOf("barrier")));
  await new Promise((done) => setTimeout(done));
  stream.send(bytesOf("later"));
  await new Promise((done) => setTimeout(done));
  assertEquals(writes, ["flow 1, flow 2, barrier", "later"]);
});
