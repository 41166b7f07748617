import { assertEquals } from "@std/assert";
import { NEEDED_RIGHTS } from "../../../lib/kube/needed_rights.ts";
import { rbacManifest } from "../../../lib/kube/rbac.ts";

Deno.test("the rights that the doctor asks for are those of the manifest, all of them", () => {
  const rules = rbacManifest("kube-system").matchAll(
    /- apiGroups: \[(.*)\]\n {2}resources: \[(.*)\]\n {2}verbs: \[(.*)\]/g,
  );
  const granted = [...rules].flatMap(([, group = "", resources = "", verbs = ""]) =>
    resources.split(", ").flatMap((resource) =>
      verbs.split(", ").map((verb) => `${verb} ${resource} of ${group.replaceAll('"', "")}`)
    )
  );
  const needed = NEEDED_RIGHTS.map(({ group, verb, resource, subresource }) =>
    `${verb} ${resource}${subresource === undefined ? "" : `/${subresource}`} of ${group}`
  );
  assertEquals(needed.sort(), granted.sort());
});
