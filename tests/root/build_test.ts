// Same sources, same tools: same bytes, wherever the checkout lies.

import { assertEquals } from "@std/assert";
import { run } from "../lab/run.ts";
import { tempDir } from "../lab/one_file.ts";

const house = new URL("../..", import.meta.url).pathname;

/** Builds a copy of this checkout at `folder` and returns the checksum of its file. */
async function build(folder: string): Promise<string> {
  const copy = `mkdir -p "$2" && cd "$1" &&
    tar --exclude=./.git --exclude=./dist --exclude=./.cache -cf - . | tar -xf - -C "$2"`;
  await run("sh", ["-c", copy, "sh", house, folder]);
  await run("sh", [`${folder}/.ci/build.sh`], { limitMs: 180_000 });
  return (await run("sha256sum", [`${folder}/dist/k8contivnet`])).split(" ")[0] ?? "";
}

Deno.test("two builds in two places have the same bytes", async () => {
  await using dir = await tempDir();
  assertEquals(await build(`${dir}/a`), await build(`${dir}/b/c/d`));
});
