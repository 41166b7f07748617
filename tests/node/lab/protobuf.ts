// Messages of Protocol Buffers as far as the Container Runtime Interface needs them
// (https://protobuf.dev/programming-guides/encoding): varints, strings, messages, maps of strings.

import { joinBytes } from "../../../lib/util/join_bytes.ts";

/** A field's value; false, zero and the empty string are what a field has that is absent. */
export type Field =
  | string
  | number
  | boolean
  | Message
  | readonly Message[]
  | ReadonlyMap<string, string>
  | undefined;

/** A message to be sent: values by field number. */
export interface Message {
  readonly [field: number]: Field;
}

const [VARINT, SIXTY_FOUR, LENGTH] = [0, 1, 2];

/** Returns the bytes of a message. */
export function encode(message: Message): Uint8Array<ArrayBuffer> {
  const parts = Object.entries(message).flatMap(([number, value]) =>
    occurrences(value).map((one) => encodeField(Number(number), one))
  );
  return joinBytes(parts);
}

function occurrences(value: Field): (string | number | boolean | Message)[] {
  if (value === undefined) return [];
  if (value instanceof Map) return [...value].map(([key, text]) => ({ 1: key, 2: text }));
  return Array.isArray(value) ? value : [value as string | number | boolean | Message];
}

function encodeField(number: number, value: string | number | boolean | Message): Uint8Array {
  if (typeof value === "number" || typeof value === "boolean") {
    return joinBytes([varint((number << 3) | VARINT!), varint(Number(value))]);
  }
  const bytes = typeof value === "string" ? new TextEncoder().encode(value) : encode(value);
  return joinBytes([varint((number << 3) | LENGTH!), varint(bytes.length), bytes]);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt(value);
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  return Uint8Array.from([...bytes, Number(rest)]);
}

/** A message that was received. */
export class Received {
  readonly #values = new Map<number, (bigint | Uint8Array)[]>();

  constructor(bytes: Uint8Array) {
    let at = 0;
    const next = () => {
      const { value, end } = readVarint(bytes, at);
      at = end;
      return value;
    };
    while (at < bytes.length) {
      const key = Number(next());
      const wire = key & 7;
      let value: bigint | Uint8Array;
      if (wire === VARINT) value = next();
      else {
        const length = wire === LENGTH ? Number(next()) : wire === SIXTY_FOUR ? 8 : 4;
        value = bytes.subarray(at, at += length);
      }
      const values = this.#values.get(key >> 3) ?? [];
      this.#values.set(key >> 3, [...values, value]);
    }
  }

  /** Returns a field's text, empty if it is absent. */
  text(field: number): string {
    return this.#bytes(field).map((bytes) => new TextDecoder().decode(bytes)).at(-1) ?? "";
  }

  /** Returns a field's number, zero if it is absent. */
  number(field: number): number {
    const value = this.#values.get(field)?.at(-1);
    return typeof value === "bigint" ? Number(value) : 0;
  }

  /** Returns the messages of a repeated field. */
  messages(field: number): Received[] {
    return this.#bytes(field).map((bytes) => new Received(bytes));
  }

  /** Returns the message of a field, an empty one if it is absent. */
  message(field: number): Received {
    return this.messages(field).at(-1) ?? new Received(new Uint8Array());
  }

  #bytes(field: number): Uint8Array[] {
    return (this.#values.get(field) ?? []).filter((value) => value instanceof Uint8Array);
  }
}

function readVarint(bytes: Uint8Array, start: number): { value: bigint; end: number } {
  let value = 0n;
  for (let at = start, shift = 0n; at < bytes.length; at++, shift += 7n) {
    const byte = bytes[at]!;
    value |= BigInt(byte & 127) << shift;
    if (byte < 128) return { value, end: at + 1 };
  }
  throw new Error("the message ends within a number");
}
