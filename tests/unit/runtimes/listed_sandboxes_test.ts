import { assertEquals } from "@std/assert";
import { runtimeEventFrom, sandboxesIn } from "../../../lib/runtimes/listed_sandboxes.ts";

const UID = "0f0a1d2c-3b4e-11e5-a151-feff819cdc9f";
const POD = "io.kubernetes.pod.name";
const NAMESPACE = "io.kubernetes.pod.namespace";
const CONTAINER = "io.kubernetes.container.name";
const TYPE = "io.kubernetes.docker.type";

/** Containers as the kubelets of each era make them, and what they are to us. */
const cases: readonly {
  readonly of: string;
  readonly name: string;
  readonly labels?: Record<string, string>;
  readonly networkMode?: string;
  /** namespace/name of a pod, `plain`, or nothing: not listed. */
  readonly want: string | undefined;
}[] = [
  { of: "docker run", name: "web", want: "plain" },
  { of: "docker run on docker0", name: "web", networkMode: "default", want: "plain" },
  { of: "docker run in the host's network", name: "web", networkMode: "host", want: undefined },
  {
    of: "docker run in another's network",
    name: "web",
    networkMode: "container:0123",
    want: undefined,
  },
  {
    of: "docker run of an image with labels of Kubernetes' people",
    name: "web",
    labels: { "io.kubernetes.display-name": "web" },
    want: "plain",
  },
  { of: "a name that only begins like a pod's", name: "k8s_tools", want: "plain" },
  { of: "0.14's infra", name: `k8s_POD.6d00e006_web_default_${UID}_0123abcd`, want: "default/web" },
  {
    of: "1.0's infra",
    name: `k8s_POD.6d00e006_web_prod_${UID}_0123abcd`,
    labels: { [POD]: "prod/web" },
    want: "prod/web",
  },
  {
    of: "1.20's infra",
    name: `k8s_POD_web_prod_${UID}_0`,
    labels: { [POD]: "web", [NAMESPACE]: "prod", [CONTAINER]: "POD", [TYPE]: "podsandbox" },
    want: "prod/web",
  },
  {
    of: "0.15's app container, whose daemon reports no network mode",
    name: `k8s_main.aa00e006_web_default_${UID}_0123abcd`,
    networkMode: "",
    want: undefined,
  },
  {
    of: "1.2's app container",
    name: `k8s_main.aa00e006_web_default_${UID}_0123abcd`,
    labels: { [POD]: "web", [NAMESPACE]: "default", [CONTAINER]: "main" },
    networkMode: "container:0123",
    want: undefined,
  },
  {
    of: "an app container with another name than kubelets use",
    name: "web",
    labels: { [POD]: "web", [NAMESPACE]: "default", [CONTAINER]: "main", [TYPE]: "container" },
    networkMode: "",
    want: undefined,
  },
  {
    of: "a pod in the host's network",
    name: `k8s_POD_proxy_kube-system_${UID}_0`,
    networkMode: "host",
    want: undefined,
  },
];

const ID = "0123456789abcdef".repeat(4);

for (const { of, name, labels = {}, networkMode = "none", want } of cases) {
  Deno.test(`sandboxesIn() takes ${of} for ${want ?? "no sandbox"}`, () => {
    const [listed] = sandboxesIn([{ id: ID, name, labels, networkMode }]);
    const pod = listed?.pod;
    assertEquals(pod ? `${pod.namespace}/${pod.name}` : listed && "plain", want);
  });
}

Deno.test("sandboxesIn() calls a container by its id where its name could be no endpoint's", () => {
  for (const name of ["", "../up", "a b", "a..b", "n".repeat(300)]) {
    const [listed] = sandboxesIn([{ id: ID, name, labels: {}, networkMode: "none" }]);
    assertEquals(listed, { id: ID, name: ID.slice(0, 12) });
  }
});

Deno.test("runtimeEventFrom() returns nothing for app containers and for events that are not needed", () => {
  const app = { name: `k8s_main_web_default_${UID}_0`, labels: {} };
  const plain = { name: "web", labels: {} };
  const eventOf = (action: string, naming: typeof app | undefined) =>
    runtimeEventFrom({ kind: "event", event: { action, id: ID, naming } });
  assertEquals(eventOf("start", app), undefined);
  assertEquals(eventOf("exec_start", plain), undefined);
  assertEquals(eventOf("start", plain), { kind: "started", sandbox: ID, role: "plain" });
  assertEquals(eventOf("die", undefined), { kind: "ended", sandbox: ID, role: "unknown" });
  assertEquals(runtimeEventFrom({ kind: "opened" }), { kind: "opened" });
});
