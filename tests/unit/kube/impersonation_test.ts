import { assertEquals, assertThrows } from "@std/assert";
import { accessFrom } from "../../../lib/kube/kubeconfig.ts";
import { KubeRefusal } from "../../../lib/kube/api_connection.ts";
import { Fault } from "../../../lib/util/errors.ts";

/** Returns the access of a kubeconfig whose user has these fields. */
function accessOf(user: object) {
  return accessFrom(
    {
      "current-context": "x",
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      clusters: [{ name: "c", cluster: { server: "https://h:1" } }],
      users: [{ name: "u", user: { token: "t", ...user } }],
    },
    "f",
    {},
  );
}

const bytes = (text: string) => String.fromCharCode(...new TextEncoder().encode(text));

Deno.test("impersonation in a kubeconfig is not ignored: it becomes the headers that kubectl sends", () => {
  const { impersonation } = accessOf({
    as: "jané",
    "as-uid": "17",
    "as-groups": ["dev", "a,b", "dev ops"],
    "as-user-extra": { "acme.com/project": ["x", "y"], scopes: ["v"], "100%": ["z"] },
  });
  assertEquals(impersonation, [
    ["impersonate-user", bytes("jané")],
    ["impersonate-uid", "17"],
    ["impersonate-group", "dev"],
    ["impersonate-group", "a,b"],
    ["impersonate-group", "dev ops"],
    ["impersonate-extra-acme.com%2Fproject", "x"],
    ["impersonate-extra-acme.com%2Fproject", "y"],
    ["impersonate-extra-scopes", "v"],
    ["impersonate-extra-100%25", "z"],
  ]);
});

for (const empty of ["", null, undefined]) {
  Deno.test(`impersonation by ${JSON.stringify(empty)} is not an impersonation`, () => {
    const lists = [empty === "" ? [] : empty, empty === "" ? {} : empty];
    const user = { as: empty, "as-uid": empty, "as-groups": lists[0], "as-user-extra": lists[1] };
    assertEquals(accessOf(user).impersonation, undefined);
  });
}

for (
  const [user, words] of [
    [{ "as-groups": ["dev"] }, "as-uid, as-groups or as-user-extra without as"],
    [{ as: "", "as-uid": "1" }, 'without as; set "as", too'],
    [{ as: null, "as-user-extra": { a: ["b"] } }, "without as"],
    [{ as: 7 }, "its as is not text"],
    [{ as: "a\r\nimpersonate-group: system:masters" }, "its as is not text"],
    [{ as: "a", "as-groups": "dev" }, "its as-groups is not a list"],
    [{ as: "a", "as-groups": [1] }, "its as-groups is not text"],
    [{ as: "a", "as-user-extra": ["b"] }, "its as-user-extra is not a map"],
    [{ as: "a", "as-user-extra": { b: "c" } }, "its as-user-extra is not a list"],
  ] as const
) {
  Deno.test(`impersonation by ${JSON.stringify(user)} is refused, not ignored`, () => {
    const fault = assertThrows(() => accessOf(user), Fault, words);
    assertEquals(fault.code, "usage");
  });
}

Deno.test("a login that may not impersonate is named as the reason", () => {
  const message = 'users "jane" is forbidden: User "me" cannot impersonate resource "users"';
  assertEquals(
    new KubeRefusal(403, message, "https://h").fix,
    'grant it "impersonate", or remove "as"',
  );
});
