import { assertEquals } from "@std/assert";
import { unchangedMappings } from "../../../lib/util/start_pages.ts";

const DENO = "/var/cache/k8contivnet/0123456789abcdef/deno";

/** As an agent has them: V8 has moved a part of the code away from the rest, behind what the linker changed. */
const mapsOf = (path: string) =>
  `55fcd8081000-55fcd9c0f000 r--p 00000000 fe:00 1549014                    ${path}
55fcd9e85000-55fcddb79000 r-xp 01b8e000 fe:00 1549014                    ${path}
55fcddb79000-55fcdddeb000 rw-p 05881000 fe:00 1549014                    ${path}
55fcdddfb000-55fcdddfc000 r--p 05b02000 fe:00 1549014                    ${path}
55fcdddfc000-55fcdde25000 rw-p 05b03000 fe:00 1549014                    ${path}
55fcde05e000-55fcde80f000 rw-p 00000000 00:00 0                          [heap]
7f2ed7dc0000-7f2ed7fe6000 r-xp 035cf000 fe:00 1549014                    ${path}
7f2ed9a00000-7f2ed9a28000 r--p 00000000 fe:00 131098                     /usr/lib/libc.so.6
7f2ed9a28000-7f2ed9b9d000 r-xp 00028000 fe:00 131098                     /usr/lib/libc.so.6
`;

const UNCHANGED = [
  { start: 0x55fcd8081000n, length: 0x1b8e000n },
  { start: 0x55fcd9e85000n, length: 0x3cf4000n },
];

Deno.test("pages of a start are constants and code, not what the dynamic linker has changed", () => {
  assertEquals(unchangedMappings(mapsOf(DENO), DENO), UNCHANGED);
});

Deno.test("pages of a start are found after an upgrade has removed the executable, also with spaces in its path", () => {
  assertEquals(unchangedMappings(mapsOf(`${DENO} (deleted)`), DENO), UNCHANGED);
  assertEquals(unchangedMappings(mapsOf("/a b/deno"), "/a b/deno"), UNCHANGED);
});

Deno.test("pages of a start are nothing without mappings of the executable, or without its code", () => {
  assertEquals(unchangedMappings("", DENO), []);
  assertEquals(unchangedMappings(mapsOf("/usr/bin/other"), DENO), []);
  const constants = mapsOf(DENO).split("\n").filter((line) => !line.includes("r-xp"));
  assertEquals(unchangedMappings(constants.join("\n"), DENO), []);
});
