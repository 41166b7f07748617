// A tar archive, "ustar" of POSIX.1-1988 (pax(1), ustar interchange format). Pure.

import { joinBytes } from "../../util/join_bytes.ts";

const BLOCK = 512;

/** One file of an archive. */
export interface TarFile {
  /** At most 100 bytes. */
  readonly name: string;
  readonly text: string;
}

/** Returns an archive of files that only their owner may read; `atMs` is their time, milliseconds of the epoch. */
export function tarOf(files: readonly TarFile[], atMs: number): Uint8Array {
  const parts = files.flatMap(({ name, text }) => {
    const bytes = new TextEncoder().encode(text);
    const rest = (BLOCK - bytes.length % BLOCK) % BLOCK;
    return [headOf(name, bytes.length, atMs), bytes, new Uint8Array(rest)];
  });
  parts.push(new Uint8Array(2 * BLOCK));
  return joinBytes(parts);
}

function headOf(name: string, size: number, atMs: number): Uint8Array {
  const head = new Uint8Array(BLOCK);
  const put = (at: number, text: string) => head.set(new TextEncoder().encode(text), at);
  const number = (at: number, value: number, digits: number) =>
    put(at, Math.floor(value).toString(8).padStart(digits, "0"));
  put(0, name.slice(0, 100));
  number(100, 0o600, 7);
  number(108, 0, 7);
  number(116, 0, 7);
  number(124, size, 11);
  number(136, atMs / 1_000, 11);
  put(148, " ".repeat(8));
  put(156, "0");
  put(257, "ustar\x0000");
  put(265, "root");
  put(297, "root");
  // The checksum counts its own place as blanks.
  number(148, head.reduce((sum, byte) => sum + byte, 0), 6);
  head[154] = 0;
  return head;
}
