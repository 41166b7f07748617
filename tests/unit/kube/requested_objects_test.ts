import { assertEquals } from "@std/assert";
import type { KubeRequest } from "../../../lib/kube/api_connection.ts";
import { requestNamespace, requestPod } from "../../../lib/kube/requested_objects.ts";

/** A connection on which each list has these items, and the paths that were requested. */
function connectionTo(...items: unknown[]) {
  const paths: string[] = [];
  const requestJson = ({ path }: KubeRequest) => {
    paths.push(path);
    return Promise.resolve({ items });
  };
  return { paths, requestJson };
}

const POD = {
  metadata: { namespace: "shop", name: "web", uid: "u1", labels: { app: "web" } },
  spec: {},
  status: {},
};

Deno.test("requestPod() asks for one pod by name, and returns it only with the UID that is asked for", async () => {
  const connection = connectionTo(POD);
  const ask = async (uid?: string) =>
    (await requestPod(connection, { namespace: "shop", name: "web", uid }, 1_000))?.uid;
  assertEquals([await ask(), await ask("u1"), await ask("u2")], ["u1", "u1", undefined]);
  assertEquals(
    connection.paths[0],
    "/api/v1/namespaces/shop/pods?fieldSelector=metadata.name%3Dweb",
  );
});

Deno.test("requestNamespace() returns a namespace with its labels, undefined if there is none", async () => {
  const namespace = { metadata: { name: "shop", uid: "n1", labels: { team: "a" } } };
  const connection = connectionTo(namespace);
  assertEquals((await requestNamespace(connection, "shop", 1_000))?.labels, { team: "a" });
  assertEquals(connection.paths, ["/api/v1/namespaces?fieldSelector=metadata.name%3Dshop"]);
  assertEquals(await requestNamespace(connectionTo(), "shop", 1_000), undefined);
});
