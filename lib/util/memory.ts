// The memory that work leaves behind. For a process that stays it is memory of the host, held for
// nothing: V8 collects by the size of its own heap, and does not see what small objects of it hold in
// C (64 KiB for each read of a command's output or of an answer over HTTP); and malloc holds on to
// freed pages below the last one in use.

type Trim = (pad: bigint) => number;

let trim: Trim | undefined;

/**
 * Collects what nothing refers to, and gives the pages that are free then back to the host,
 * malloc_trim(3). Some 10 ms. Each of the two is left out where the process was not started with
 * leave for it: V8's flag --expose-gc, and glibc by --allow-ffi.
 */
export function returnFreeMemory(): void {
  (globalThis as { gc?: () => void }).gc?.();
  trim ??= findTrim();
  trim(0n);
}

function findTrim(): Trim {
  try {
    if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return () => 0;
    const symbols = { malloc_trim: { parameters: ["usize"], result: "i32" } } as const;
    return Deno.dlopen("libc.so.6", symbols).symbols.malloc_trim;
  } catch {
    return () => 0; // another C library
  }
}
