// Unmaps the pages of the program's executable that only its start has read: the JavaScript engine's snapshot, tables of
// the dynamic linker, and code such as the command line's. They are a third of what a process of Deno has resident, 20
// of an agent's 58 MB (Deno 2.9.6). They stay in the kernel's page cache, and it may drop them when no process has them
// mapped. What is read again is mapped again, 64 KiB at a time and without reading the disk: 200 page faults more at an
// agent's first set-up, which took some 2 ms.

const MAPS = "/proc/self/maps";
const READ_BYTES = 65_536;
/** Of <sys/mman.h>, for madvise(2). */
const MADV_DONTNEED = 4;

const SYMBOLS = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  madvise: { parameters: ["usize", "usize", "i32"], result: "i32" },
} as const;

type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** A part of the address space: its first address and its length in bytes. */
export interface Mapping {
  readonly start: bigint;
  readonly length: bigint;
}

/** Unmaps them. Does nothing if the process was started without --allow-ffi, or its C library is not glibc. */
export function returnStartPages(): void {
  let library;
  try {
    if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return;
    library = Deno.dlopen("libc.so.6", SYMBOLS);
  } catch {
    return; // another C library
  }
  const { symbols: libc } = library;
  for (const { start, length } of unchangedMappings(readMaps(libc), Deno.execPath())) {
    libc.madvise(start, length, MADV_DONTNEED); // if it fails, they stay mapped
  }
  library.close();
}

/**
 * Returns the mappings of `executable` that are as in the file: its constants and, behind them, its code. What is behind
 * that was changed by the dynamic linker, also if it can only be read, and would lose the changes. `maps` is the text of
 * /proc/PID/maps, proc(5).
 */
export function unchangedMappings(maps: string, executable: string): Mapping[] {
  const own = maps.split("\n").flatMap((line) => {
    const [, from = "", to = "", mode = "", path] =
      /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ +(.*)$/.exec(line) ?? [];
    if (path !== executable && path !== `${executable} (deleted)`) return [];
    const start = BigInt(`0x${from}`);
    return [{ start, length: BigInt(`0x${to}`) - start, mode }];
  });
  const code = own.findIndex(({ mode }) => mode === "r-xp");
  return own.slice(0, code + 1).filter(({ mode }) => mode === "r--p" || mode === "r-xp")
    .map(({ start, length }) => ({ start, length }));
}

/** By libc, as Deno lets a program read this file only with all permissions. */
function readMaps(libc: Libc): string {
  const fd = libc.open(new TextEncoder().encode(`${MAPS}\0`), 0);
  if (fd < 0) return "";
  const decoder = new TextDecoder();
  const bytes = new Uint8Array(READ_BYTES);
  let text = "";
  for (;;) {
    const count = Number(libc.read(fd, bytes, BigInt(READ_BYTES)));
    if (count <= 0) break;
    text += decoder.decode(bytes.subarray(0, count), { stream: true });
  }
  libc.close(fd);
  return text;
}
