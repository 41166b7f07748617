// Splits a stream of bytes into the JSON objects in it. OVSDB sends them one after another, with or without
// blanks between (RFC 7047 §4), and the kernel splits the stream at any byte.

import { Fault } from "../../util/errors.ts";

const [OPEN, CLOSE, QUOTE, BACKSLASH] = [0x7b, 0x7d, 0x22, 0x5c];

/** Longest accepted object; a whole database of 1,000 ports takes some 0.5 MB. */
const LIMIT_BYTES = 64 * 1024 * 1024;

/**
 * Collects bytes until an object is complete. Brackets of arrays need not be counted: the outermost value is
 * always an object, and only a string can hide a brace. Bytes of UTF-8 beyond ASCII never equal one of the
 * four characters.
 */
export class JsonStream {
  #parts: Uint8Array[] = [];
  #size = 0;
  #depth = 0;
  #inString = false;
  #isEscaped = false;

  /** Takes the next bytes and returns the objects that are complete now. Faults: failed, on invalid JSON. */
  push(chunk: Uint8Array): unknown[] {
    const whole: unknown[] = [];
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      if (!this.#endsWith(chunk[i]!)) continue;
      whole.push(this.#take(chunk.subarray(start, i + 1)));
      start = i + 1;
    }
    this.#keep(chunk.subarray(start));
    return whole;
  }

  #endsWith(byte: number): boolean {
    if (this.#inString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (byte === BACKSLASH) this.#isEscaped = true;
      else if (byte === QUOTE) this.#inString = false;
      return false;
    }
    if (byte === OPEN) this.#depth++;
    else if (byte === CLOSE) return --this.#depth === 0;
    else if (this.#depth === 0 && !isBlank(byte)) throw invalid();
    else if (byte === QUOTE) this.#inString = true;
    return false;
  }

  #keep(part: Uint8Array): void {
    if (part.length === 0 || this.#depth === 0) return;
    this.#size += part.length;
    if (this.#size > LIMIT_BYTES) throw invalid();
    this.#parts.push(part.slice()); // the reader reuses its buffer
  }

  #take(last: Uint8Array): unknown {
    const bytes = new Uint8Array(this.#size + last.length);
    let at = 0;
    for (const part of this.#parts) {
      bytes.set(part, at);
      at += part.length;
    }
    bytes.set(last, at);
    this.#parts = [];
    this.#size = 0;
    try {
      return JSON.parse(new TextDecoder().decode(bytes));
    } catch (cause) {
      throw invalid(cause);
    }
  }
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function invalid(cause?: unknown): Fault {
  return new Fault("failed", "ovsdb-server sent something that is not a JSON object", {
    fix: "check whether another program listens at that socket",
    cause,
  });
}
