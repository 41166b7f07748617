import { assertEquals } from "@std/assert";
import { patchText } from "../../../lib/kube/annotate.ts";

const PATH = "/metadata/annotations/a.b~1c";
const TEST = '{"op":"test","path":"/metadata/uid","value":"u"}';

for (
  const { name, before, after, isFirst = false, want } of [
    {
      name: "adds where nothing was",
      before: null,
      after: "x",
      want: `{"op":"test","path":"${PATH}","value":null},{"op":"add","path":"${PATH}","value":"x"}`,
    },
    {
      name: "replaces the given value",
      before: "w",
      after: "x",
      want: `{"op":"test","path":"${PATH}","value":"w"},{"op":"add","path":"${PATH}","value":"x"}`,
    },
    {
      name: "removes the given value",
      before: "w",
      after: null,
      want: `{"op":"test","path":"${PATH}","value":"w"},{"op":"remove","path":"${PATH}"}`,
    },
    {
      name: "makes the place where a pod has no annotation",
      before: null,
      after: "x",
      isFirst: true,
      want: '{"op":"test","path":"/metadata/annotations","value":null},' +
        '{"op":"add","path":"/metadata/annotations","value":{"a.b/c":"x"}}',
    },
  ]
) {
  Deno.test(`patchText() ${name}, in the pod of that UID only`, () => {
    assertEquals(patchText("u", "a.b/c", { before, after }, isFirst), `[${TEST},${want}]`);
  });
}
