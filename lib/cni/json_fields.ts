// Reads fields of decoded JSON, for network configurations and results. Go's decoder, which all other plugins use,
// takes null for a missing field; so does this. A field of another type is an error that names it.

import { oneLine } from "../util/errors.ts";
import { CNI_CODES, CniError } from "./cni_types.ts";

/** A decoded JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Reports whether `value` is a JSON object: neither null nor a list. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns what type a decoded value has, with its article, for messages. */
function typeOf(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** Returns the error for a field that has a wrong type: code 7. */
export function wrongType(key: string, value: unknown, expected: string): CniError {
  return new CniError(
    CNI_CODES.invalidConfig,
    `${key} is ${typeOf(value)}`,
    `it must be ${expected}`,
  );
}

/** Returns the error for a field whose value is not valid, quoted: code 7, or another one. */
export function wrongValue(
  key: string,
  value: unknown,
  why: string,
  code: CniError["code"] = CNI_CODES.invalidConfig,
): CniError {
  return new CniError(code, `${key} ${quoted(value)} is not valid`, why);
}

/** Returns a value as JSON on one line, cut to 60 characters. */
export function quoted(value: unknown): string {
  const text = typeof value === "string" ? `"${oneLine(value, 60)}"` : JSON.stringify(value);
  return oneLine(String(text), 62);
}

/** Reads one object. `path` is put before keys in messages: `prevResult.`, or empty. */
export class FieldReader {
  readonly #fields: JsonObject;
  readonly #path: string;

  constructor(fields: JsonObject, path = "") {
    this.#fields = fields;
    this.#path = path;
  }

  /** Returns a reader of `value`; of an empty object if it is null or undefined. Errors: code 7. */
  static of(value: unknown, key: string): FieldReader {
    if (value === undefined || value === null) return new FieldReader({}, `${key}.`);
    if (!isObject(value)) throw wrongType(key, value, "an object");
    return new FieldReader(value, `${key}.`);
  }

  /** Returns the key as messages name it. */
  nameOf(key: string): string {
    return `${this.#path}${key}`;
  }

  /** Returns a field as it is; undefined for null. */
  raw(key: string): unknown {
    return Object.hasOwn(this.#fields, key) ? this.#fields[key] ?? undefined : undefined;
  }

  /** Returns a string, or undefined where there is none. Errors: code 7. */
  string(key: string): string | undefined {
    const value = this.raw(key);
    if (value === undefined || typeof value === "string") return value;
    throw wrongType(this.nameOf(key), value, "a string");
  }

  /** Returns an integer from 0 on, or undefined where there is none. Errors: code 7. */
  count(key: string): number | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    if (typeof value !== "number") throw wrongType(this.nameOf(key), value, "a number");
    throw wrongValue(this.nameOf(key), value, "it must be an integer that is not negative");
  }

  /** Returns a list, or undefined where there is none. Errors: code 7. */
  list(key: string): readonly unknown[] | undefined {
    const value = this.raw(key);
    if (value === undefined || Array.isArray(value)) return value;
    throw wrongType(this.nameOf(key), value, "a list");
  }

  /** Returns a list of strings, or undefined where there is none. Errors: code 7. */
  strings(key: string): readonly string[] | undefined {
    return this.list(key)?.map((value, at) => {
      if (typeof value === "string") return value;
      throw wrongType(`${this.nameOf(key)}[${at}]`, value, "a string");
    });
  }

  /** Returns a reader for each object of a list; an empty list if the field is missing. Errors: code 7. */
  objects(key: string): readonly FieldReader[] {
    return (this.list(key) ?? []).map((value, at) => {
      const name = `${this.nameOf(key)}[${at}]`;
      if (!isObject(value)) throw wrongType(name, value, "an object");
      return new FieldReader(value, `${name}.`);
    });
  }

  /** Reports whether a field is there and null. */
  isNull(key: string): boolean {
    return Object.hasOwn(this.#fields, key) && this.#fields[key] === null;
  }

  /** Returns a reader of an object; of an empty one where there is none. Errors: code 7. */
  object(key: string): FieldReader {
    return FieldReader.of(this.raw(key), this.nameOf(key));
  }

  /** Returns the fields that `known` does not name and that are not null; undefined where there are none. */
  others(known: readonly string[]): JsonObject | undefined {
    const entries = Object.entries(this.#fields)
      .filter(([key, value]) => !known.includes(key) && value !== null);
    return entries.length === 0 ? undefined : Object.fromEntries(entries);
  }

  /** Returns the reader with its keys in lower case: Go's decoder ignores the case of keys. */
  inLowerCase(): FieldReader {
    const entries = Object.entries(this.#fields).map(([key, value]) => [key.toLowerCase(), value]);
    return new FieldReader(Object.fromEntries(entries), this.#path);
  }
}

/** Returns an object without the fields that are undefined. */
export function compact<T extends object>(fields: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as T;
}
