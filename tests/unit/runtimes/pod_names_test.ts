import { assertEquals } from "@std/assert";
import { podFromNaming } from "../../../lib/runtimes/pod_names.ts";

const UID = "0f0a1d2c-3b4e-11e5-a151-feff819cdc9f";
const POD = "io.kubernetes.pod.name";
const NAMESPACE = "io.kubernetes.pod.namespace";
const CONTAINER = "io.kubernetes.container.name";
const TYPE = "io.kubernetes.docker.type";

interface Case {
  readonly of: string;
  readonly name: string;
  readonly labels?: Record<string, string>;
  /** namespace/name and uid, or nothing. */
  readonly want: string | undefined;
}

const cases: readonly Case[] = [
  {
    of: "kubelet 0.14's infra container, by name alone",
    name: `/k8s_POD.6d00e006_web_default_${UID}_0123abcd`,
    want: `default/web ${UID}`,
  },
  {
    of: "kubelet 1.20's infra container, by name alone",
    name: `k8s_POD_web-7d9.x_kube-system_${UID}_3`,
    want: `kube-system/web-7d9.x ${UID}`,
  },
  {
    of: "a static pod's infra container with its bare hash as uid",
    name: "/k8s_POD.e4cc795_etcd-node1_default_c17c4b1d4c4a1bd9d0a0d4b2ad7a4d41_9f2b6cf0",
    want: "default/etcd-node1 c17c4b1d4c4a1bd9d0a0d4b2ad7a4d41",
  },
  {
    of: "kubelet 1.0's infra container, whose label joins the names",
    name: `/k8s_POD.6d00e006_web_default_${UID}_0123abcd`,
    labels: { [POD]: "prod/web" },
    want: "prod/web",
  },
  {
    of: "kubelet 1.2's infra container, whose labels stand apart",
    name: `/k8s_POD.6d00e006_other_default_${UID}_0123abcd`,
    labels: {
      [POD]: "web",
      [NAMESPACE]: "prod",
      "io.kubernetes.pod.uid": "u1",
      [CONTAINER]: "POD",
    },
    want: "prod/web u1",
  },
  {
    of: "dockershim's sandbox",
    name: `/k8s_POD_web_prod_${UID}_0`,
    labels: { [POD]: "web", [NAMESPACE]: "prod", [CONTAINER]: "POD", [TYPE]: "podsandbox" },
    want: "prod/web",
  },
  {
    of: "a container of another name that is labelled as a pod",
    name: "/pause",
    labels: { [POD]: "prod/web" },
    want: "prod/web",
  },
  {
    of: "an app container, by name alone",
    name: `/k8s_main.6d00e006_web_default_${UID}_0123abcd`,
    want: undefined,
  },
  {
    of: "an app container of kubelet 1.0, labelled like its pod",
    name: `/k8s_main.6d00e006_web_default_${UID}_0123abcd`,
    labels: { [POD]: "default/web" },
    want: undefined,
  },
  {
    of: "an app container of kubelet 1.2 under any name",
    name: "/x",
    labels: { [POD]: "web", [NAMESPACE]: "default", [CONTAINER]: "main" },
    want: undefined,
  },
  {
    of: "an app container of dockershim that calls itself POD",
    name: `/k8s_POD_web_default_${UID}_0`,
    labels: { [POD]: "web", [NAMESPACE]: "default", [CONTAINER]: "POD", [TYPE]: "container" },
    want: undefined,
  },
  {
    of: "an app container named POD-like",
    name: `/k8s_PODs_web_default_${UID}_0`,
    want: undefined,
  },
  {
    of: "an app container whose name ends as an infra container's",
    name: `/k8s_main.POD_web_default_${UID}_0`,
    want: undefined,
  },
  { of: "a stranger", name: "/nginx", want: undefined },
  {
    of: "a foreign container whose name starts in the same way",
    name: "/k8s_POD",
    want: undefined,
  },
  { of: "a name with a part too many", name: `/k8s_POD_web_x_default_${UID}_0`, want: undefined },
  { of: "a name with an empty part", name: `/k8s_POD__default_${UID}_0`, want: undefined },
  { of: "a name with no attempt", name: `/k8s_POD_web_default_${UID}_`, want: undefined },
  { of: "nothing at all", name: "", want: undefined },
  {
    of: "labels that would leave their folder, but for the name",
    name: `/k8s_POD_web_default_${UID}_0`,
    labels: { [POD]: "../../etc", [NAMESPACE]: "default" },
    want: `default/web ${UID}`,
  },
  {
    of: "hostile labels without a name of ours",
    name: "/x",
    labels: { [POD]: "a\nb", [NAMESPACE]: "..", [CONTAINER]: "POD" },
    want: undefined,
  },
  { of: "a label with half of the names", name: "/x", labels: { [POD]: "web" }, want: undefined },
  { of: "a label with three names", name: "/x", labels: { [POD]: "a/b/c" }, want: undefined },
  {
    of: "a uid that is not a word, which is left out",
    name: "/x",
    labels: { [POD]: "prod/web", "io.kubernetes.pod.uid": "a b" },
    want: "prod/web",
  },
  {
    of: "labels named like JavaScript's own",
    name: "/x",
    labels: { constructor: "POD", ["__proto__"]: "POD" },
    want: undefined,
  },
];

for (const { of, name, labels = {}, want } of cases) {
  Deno.test(`podFromNaming() of ${of} returns ${want ?? "nothing"}`, () => {
    const pod = podFromNaming({ name, labels });
    const seen = pod && `${pod.namespace}/${pod.name}${pod.uid === undefined ? "" : ` ${pod.uid}`}`;
    assertEquals(seen, want);
  });
}
