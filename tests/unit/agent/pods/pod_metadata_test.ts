import { assertEquals } from "@std/assert";
import { noPodMetadata, withContainerLabels } from "../../../../lib/agent/pods/pod_metadata.ts";
import { UNKNOWN } from "../../../../lib/util/label_selectors.ts";

const pod = { namespace: "default", name: "web" };

Deno.test("noPodMetadata says that labels and annotations are unknown, not that there are none", async () => {
  const known = await noPodMetadata.of(pod);
  assertEquals(known.labels, UNKNOWN);
  assertEquals(known.namespaceAnnotations, UNKNOWN);
});

Deno.test("withContainerLabels() adds what a container's labels say, and leaves the rest unknown", async () => {
  const known = withContainerLabels(await noPodMetadata.of(pod), {
    app: "web",
    "annotation.io.contiv.network": "red",
  });
  assertEquals(known.labels, { values: { app: "web" }, isComplete: false });
  assertEquals(known.annotations, { values: { "io.contiv.network": "red" }, isComplete: false });
  assertEquals(known.namespaceLabels, UNKNOWN);
});

Deno.test("withContainerLabels() adds nothing to labels that are known whole", async () => {
  const whole = { values: { app: "db" }, isComplete: true };
  const known = { ...await noPodMetadata.of(pod), labels: whole };
  assertEquals(withContainerLabels(known, { app: "web", x: "y" }).labels, whole);
  assertEquals(withContainerLabels(known, undefined), known);
});
