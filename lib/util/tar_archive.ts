// A tar archive, "ustar" of POSIX.1-1988 (pax(1), ustar interchange format). Pure.

import { joinBytes } from "./join_bytes.ts";

const BLOCK = 512;
const NAME_BYTES = 100;

/** What all entries of an archive have. */
interface Named {
  /** At most 100 bytes. */
  readonly name: string;
}

/** A file. @default mode 0o600: only its owner may read it */
export interface TarFile extends Named {
  readonly text: string | Uint8Array;
  readonly mode?: number;
}

/** A folder. @default mode 0o755 */
export interface TarFolder extends Named {
  readonly folder: true;
  readonly mode?: number;
}

/** A symbolic link. */
export interface TarLink extends Named {
  /** What it leads to: at most 100 bytes. */
  readonly target: string;
}

/** One entry of an archive. */
export type TarEntry = TarFile | TarFolder | TarLink;

/** Returns an archive whose entries root owns; `atMs` is their time, milliseconds of the epoch. */
export function tarOf(entries: readonly TarEntry[], atMs: number): Uint8Array<ArrayBuffer> {
  const parts = entries.flatMap((entry) => {
    const bytes = contentOf(entry);
    const rest = (BLOCK - bytes.length % BLOCK) % BLOCK;
    return [headOf(entry, bytes.length, atMs), bytes, new Uint8Array(rest)];
  });
  parts.push(new Uint8Array(2 * BLOCK));
  return joinBytes(parts);
}

function contentOf(entry: TarEntry): Uint8Array {
  if (!("text" in entry)) return new Uint8Array();
  return typeof entry.text === "string" ? new TextEncoder().encode(entry.text) : entry.text;
}

function headOf(entry: TarEntry, size: number, atMs: number): Uint8Array {
  const { name } = entry;
  const head = new Uint8Array(BLOCK);
  const put = (at: number, text: string) => head.set(new TextEncoder().encode(text), at);
  const number = (at: number, value: number, digits: number) =>
    put(at, Math.floor(value).toString(8).padStart(digits, "0"));
  put(0, fitting(name));
  number(100, modeOf(entry), 7);
  number(108, 0, 7);
  number(116, 0, 7);
  number(124, size, 11);
  number(136, atMs / 1_000, 11);
  put(148, " ".repeat(8));
  put(156, "target" in entry ? "2" : "folder" in entry ? "5" : "0");
  if ("target" in entry) put(157, fitting(entry.target));
  put(257, "ustar\x0000");
  put(265, "root");
  put(297, "root");
  // The checksum counts its own place as blanks.
  number(148, head.reduce((sum, byte) => sum + byte, 0), 6);
  head[154] = 0;
  return head;
}

/** Throws, if the archive has no place for a text: cut off, it would name another file. */
function fitting(text: string): string {
  if (new TextEncoder().encode(text).length <= NAME_BYTES) return text;
  throw new RangeError(`tar: "${text}" is longer than ${NAME_BYTES} bytes`);
}

function modeOf(entry: TarEntry): number {
  if ("target" in entry) return 0o777;
  return entry.mode ?? ("folder" in entry ? 0o755 : 0o600);
}
