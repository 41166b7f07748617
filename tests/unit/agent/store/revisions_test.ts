import { assert, assertEquals } from "@std/assert";
import {
  findRequest,
  requestDeletions,
  requestWrites,
} from "../../../../lib/agent/store/apply_requests.ts";
import {
  interruptedRevisions,
  lastRevision,
  nextRevision,
} from "../../../../lib/agent/store/revisions.ts";
import { COMMIT_BYTES, type Json } from "../../../../lib/store/store.ts";
import { MemoryDatabase } from "../../../memory/memory_database.ts";

const AT = "2026-11-26T14:00:00.000Z";
const started = (text: string) => ({
  at: AT,
  request: { mode: "add" as const, text },
  changes: 1,
});
const long = 'ä\u{1f9ea}"\\'.repeat(60_000);

Deno.test("nextRevision() numbers on from the last revision, and skips", () => {
  const { documents } = new MemoryDatabase();
  assertEquals([lastRevision(documents), nextRevision(documents, started("{}")).n], [0, 1]);
  const database = new MemoryDatabase();
  const states = ["done", "applying", "interrupted", "applying"];
  for (const [at, state] of states.entries()) {
    database.put({ [`revisions/00000000${9 - at}`]: { schema: 1, n: 9 - at, state } });
  }
  assertEquals(lastRevision(database.documents), 9);
  assertEquals(nextRevision(database.documents, started("{}"), 5).n, 15);
  assertEquals(interruptedRevisions(database.documents).map(({ n }) => n), [6, 8]);
});

Deno.test("nextRevision() contains a short request, and the number of parts of a long one", () => {
  const { documents } = new MemoryDatabase();
  const short = nextRevision(documents, started("{}"));
  assertEquals([short.request?.text, short.parts], ["{}", undefined]);
  const { request, parts } = nextRevision(documents, started(long));
  assertEquals(request, undefined);
  assert((parts ?? 0) > 1, `${parts} parts`);
});

Deno.test("findRequest() returns what requestWrites() wrote, and nothing if a part is missing", () => {
  const database = new MemoryDatabase();
  const { request } = started(long);
  const writes = requestWrites(7, request);
  for (const { key, value } of writes) {
    const bytes = new TextEncoder().encode(JSON.stringify(value)).length;
    assert(bytes < COMMIT_BYTES, `${bytes} bytes`);
    database.put({ [key]: value as Json });
  }
  const revision = { n: 7, parts: writes.length };
  assertEquals(findRequest(database.documents, revision), request);
  database.documents.delete(writes[1]!.key);
  assertEquals(findRequest(database.documents, revision), undefined);
  assertEquals(findRequest(database.documents, { n: 7, request }), request);
});

Deno.test("requestDeletions() deletes the requests of ended revisions only", () => {
  const database = new MemoryDatabase();
  for (const n of [1, 2]) {
    for (const { key, value } of requestWrites(n, started("{}").request)) {
      database.put({ [key]: value as Json });
    }
  }
  const keys = requestDeletions(database.documents, (n) => n === 1).map(({ key }) => key);
  assertEquals(keys, database.keysBelow("requests/").slice(0, 1));
});
