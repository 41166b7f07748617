import fc from "fast-check";
import { MemoryStore } from "../../../memory/memory_store.ts";
import { runs } from "../../cases.ts";
import { anyHistory, checkRollback } from "./rollback_property.ts";

Deno.test("rollback gives back exactly the earlier intent, over random histories", async () => {
  await fc.assert(
    fc.asyncProperty(
      anyHistory,
      async (history) => await checkRollback(new MemoryStore(), history),
    ),
    runs(500),
  );
});
