import { assertEquals } from "@std/assert";
import { outlives } from "../../../lib/net/lasting_mounts.ts";

const FOLDER = "/run/netns";
const ROOT = "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw";
const RUN = "30 27 0:23 / /run rw,nosuid shared:5 - tmpfs tmpfs rw,mode=755";
const NETNS = "43 30 0:23 /netns /run/netns rw,nosuid shared:9 - tmpfs tmpfs rw,mode=755";
const OTHER = "44 30 0:23 / /run/netns-other rw shared:7 - tmpfs tmpfs rw";

const text = (...lines: string[]) => `${lines.join("\n")}\n`;
const HOST = text(ROOT, RUN, OTHER);

Deno.test("on the host itself a mount outlives the process, however mounts propagate", () => {
  const own = text("27 1 254:0 / / rw - ext4 /dev/vda rw");
  assertEquals(outlives(FOLDER, { own, first: own, isSame: true, isFirst: false }), true);
});

for (
  const [what, own, first, expected] of [
    ["a namespace that shares its mounts with the host", HOST, HOST, true],
    [
      "a container with /run/netns of the host",
      text("1 0 0:40 / / rw - overlay overlay rw", NETNS),
      text(ROOT, RUN, NETNS),
      true,
    ],
    [
      "a container with the host's /run, where the host mounts /run/netns on itself",
      text("1 0 0:40 / / rw - overlay overlay rw", RUN),
      text(ROOT, RUN),
      true,
    ],
    [
      "a unit with mounts of its own, which receives the host's",
      text(RUN.replace("shared:5", "shared:91 master:5")),
      HOST,
      false,
    ],
    ["a unit that only receives the host's", text(RUN.replace("shared", "master")), HOST, false],
    ["a namespace without propagation", text(RUN.replace("shared:5 ", "")), HOST, false],
    [
      "a later mount at the same place",
      text(NETNS, NETNS.replace("shared:9", "shared:91")),
      text(NETNS),
      false,
    ],
    ["a process 1 that may not be looked at", HOST, undefined, false],
  ] as const
) {
  Deno.test(`${what}: a mount ${expected ? "outlives" : "does not outlive"} the process`, () => {
    assertEquals(outlives(FOLDER, { own, first, isSame: false, isFirst: false }), expected);
  });
}

Deno.test("in a container of its own, a mount outlives the process where the folder is shared", () => {
  for (
    const [line, expected] of [
      [NETNS, true],
      [NETNS.replace("shared:9", "shared:91 master:9"), false],
      [NETNS.replace("shared:9 ", ""), false],
    ] as const
  ) {
    const own = text(line);
    assertEquals(outlives(FOLDER, { own, first: own, isSame: true, isFirst: true }), expected);
  }
});
