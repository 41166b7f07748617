// Which running pods keep their dynamic endpoint though a plan writes one that names them, as plan and apply say it.

import { assertEquals } from "@std/assert";
import type { IntentRequest } from "../../../lib/agent/api/intent_requests.ts";
import { IntentStore } from "../../../lib/agent/store/apply.ts";
import { previewRequest } from "../../../lib/agent/store/preview.ts";
import { StoreCache } from "../../../lib/agent/store/store_cache.ts";
import { planTree } from "../../../lib/cli/plan_command.ts";
import { showChanges } from "../../../lib/cli/show_changes.ts";
import { MemoryStore } from "../../memory/memory_store.ts";
import { fakeShell } from "../cli/fake_shell.ts";
import { attachment, network, vlanTenant } from "./files.ts";

const SANDBOX = "0123456789abcdef";
const POLICIES = {
  Groups: [{ Name: "web", Network: "a", Policies: ["p"] }, { Name: "open", Network: "a" }],
  Policies: [{ Name: "p", Rules: [] }],
};

/** A file whose network a, the default one, has these endpoints. */
const fileOf = (endpoints: readonly object[], more: object = {}) => ({
  Hosts: [{ Name: "host1", Intf: "eth2" }],
  ...vlanTenant([network("a", endpoints, { Default: true })], { ...POLICIES, ...more }),
});

/** A store with `file`, in which pod default/web-2 runs on host1 with a dynamic endpoint, of `group` if given. */
async function storeWith(file: object, { generation = 1, group }: {
  readonly generation?: number;
  readonly group?: string;
} = {}): Promise<MemoryStore> {
  const store = new MemoryStore();
  const first = new IntentStore(await StoreCache.load(store), () => "2026-11-26T00:00:00Z");
  await first.apply({ mode: "add", text: JSON.stringify(file) });
  const [[key, one] = ["", {}]] = Object.entries(
    attachment("one/a/default~web-2", { address: "11.1.0.200", sandbox: SANDBOX }),
  );
  const pod = { namespace: "default", name: "web-2" };
  store.database.put({
    [key]: { ...one as object, pod },
    "endpoints/one/a/default~web-2": {
      ...{ schema: 1, tenant: "one", network: "a", container: "default~web-2" },
      ...{ namespace: "default", address: "11.1.0.200", addressBy: "pool" },
      ...{ bound: { host: "host1", generation }, dynamic: { pod: "web-2", rule: "a rule" } },
      ...group ? { group } : {},
    },
    "claims/ip/one/a/11.1.0.200": { schema: 1, owner: "endpoints/one/a/default~web-2" },
  });
  return store;
}

/** Plans and applies `file`; returns what both say of kept endpoints. */
async function kept(store: MemoryStore, file: object, mode: IntentRequest["mode"] = "add") {
  const cache = await StoreCache.load(store);
  const request = { mode, text: JSON.stringify(file), force: true };
  const planned = previewRequest(cache.documents, request);
  const applied = await new IntentStore(cache, () => "2026-11-26T00:00:01Z").apply(request);
  assertEquals(applied.kept, planned.kept);
  const onHost1 = planned.kept?.map(({ host: _, ...one }) => one);
  assertEquals(planned.hosts?.host1?.keeps, onHost1);
  return { planned, applied };
}

const LINE = "! default/web-2 keeps its endpoint one/a/default~web-2 " +
  "until it is torn down and set up again: endpoint one/a/web-2 names it now";
const UNPROTECTED = "; until then no policy of group web protects it";

Deno.test("plan and apply say that a running pod keeps its dynamic endpoint, and which policies do not protect it", async () => {
  const { planned, applied } = await kept(
    await storeWith(fileOf([])),
    fileOf([{ Container: "web-2", Group: "web" }]),
  );
  assertEquals(planTree(fakeShell([], {}).output, planned), [
    "host1",
    `  ${LINE}${UNPROTECTED}`,
    "any host (bound where the pod is set up)",
    "  + endpoint one/a/web-2",
    "      IpAddress: 11.1.0.1 (from the pool)",
    "      Group: web",
  ]);
  const shell = fakeShell([], {});
  await showChanges(shell, applied, "changed");
  assertEquals(shell.stdout.at(-1), `${LINE}${UNPROTECTED}`);
  const json = fakeShell([], {}, { format: "json" });
  await showChanges(json, applied, "changed");
  assertEquals(JSON.parse(json.stdout.join("\n")).kept, [{
    ...{ host: "host1", pod: "default/web-2", endpoint: "one/a/default~web-2" },
    why: `endpoint one/a/web-2 names it now${UNPROTECTED}`,
    until: "until it is torn down and set up again",
  }]);
});

const WEB = { Container: "web-2" };
const CASES: readonly (readonly [
  name: string,
  before: object,
  after: object,
  of: Parameters<typeof storeWith>[1],
  why: string | undefined,
])[] = [
  ["an endpoint without a group", fileOf([]), fileOf([WEB]), {}, ""],
  ["a group without policies", fileOf([]), fileOf([{ ...WEB, Group: "open" }]), {}, ""],
  ["the group that it has", fileOf([]), fileOf([{ ...WEB, Group: "web" }]), { group: "web" }, ""],
  ["a group that comes later", fileOf([WEB]), fileOf([{ ...WEB, Group: "web" }]), {}, UNPROTECTED],
  [
    "its sandbox's id",
    fileOf([]),
    fileOf([{ Container: "other", AttachUUID: SANDBOX.slice(0, 12) }]),
    {},
    "",
  ],
  ["its name as id", fileOf([]), fileOf([{ Container: "other", AttachUUID: "web-2" }]), {}, ""],
  ["another name", fileOf([]), fileOf([{ Container: "web-3" }]), {}, undefined],
  ["another namespace", fileOf([]), fileOf([{ ...WEB, Namespace: "shop" }]), {}, undefined],
  [
    "a tenant of another namespace",
    fileOf([]),
    fileOf([WEB], { Namespaces: ["x"] }),
    {},
    undefined,
  ],
  [
    "a tenant that serves the namespace by now",
    fileOf([], { Namespaces: ["x"] }),
    fileOf([WEB], { Namespaces: ["default"] }),
    {},
    "",
  ],
  ["an endpoint that changes nothing", fileOf([WEB]), fileOf([WEB]), {}, undefined],
  ["an attachment of the past", fileOf([]), fileOf([WEB]), { generation: 2 }, undefined],
];

for (const [name, before, after, of, why] of CASES) {
  Deno.test(`a running pod with a dynamic endpoint, and ${name}: it ${why === undefined ? "is not meant" : "keeps it"}`, async () => {
    const { planned } = await kept(await storeWith(before, of), after);
    const [one] = planned.kept ?? [];
    assertEquals(one?.why.replace(/^endpoint \S+ names it now/, ""), why);
  });
}

Deno.test("a pod whose dynamic endpoint is deleted with its network gets the new one at once", async () => {
  const other = vlanTenant([network("b", [WEB])], { Groups: [], Policies: [] });
  const { planned } = await kept(await storeWith(fileOf([])), other, "replace");
  assertEquals([planned.detached, planned.kept], [1, undefined]);
});

Deno.test("a pod that has the endpoint keeps nothing else", async () => {
  const store = await storeWith(fileOf([WEB]));
  store.database.put(attachment("one/a/web-2", { sandbox: "ffffffffffff" }));
  const { planned } = await kept(store, fileOf([{ ...WEB, Group: "web" }]));
  assertEquals(planned.kept, undefined);
});
