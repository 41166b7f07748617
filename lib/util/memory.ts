// Frees the memory that work leaves behind, which a resident process would keep from the host for nothing: V8 collects
// garbage by the size of its own heap, and does not see what small objects hold in C (64 KiB for each read of a
// command's output or an HTTP response); and malloc keeps freed pages below the last one in use.

import { returnStartPages } from "./start_pages.ts";

type Trim = (pad: bigint) => number;

let trim: Trim | undefined;
let hasReturnedStart = false;

/**
 * Collects garbage, and returns the pages that are then free to the host, malloc_trim(3); the first time also those that
 * only the start has read. Takes some 10 ms. Each of these is skipped if the process was started without what it needs:
 * --expose-gc of V8, or --allow-ffi for glibc.
 */
export function returnFreeMemory(): void {
  (globalThis as { gc?: () => void }).gc?.();
  trim ??= findTrim();
  trim(0n);
  if (!hasReturnedStart) returnStartPages();
  hasReturnedStart = true;
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
