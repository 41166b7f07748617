// The memory that glibc keeps after work that is done: malloc holds on to freed pages below the last
// one in use, which for a process that stays is memory of the host held for nothing.

type Trim = (pad: bigint) => number;

let trim: Trim | undefined;

/**
 * Gives the pages that malloc no longer needs back to the host, malloc_trim(3): 1 to 3 MB after a
 * burst of set-ups, some 20 MB after a first start, in under a millisecond. Does nothing without
 * glibc or without leave to call it.
 */
export function returnFreeMemory(): void {
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
