// An informer: a cache of the objects of one kind, listed once, then kept up to date by watches, and relisted only
// if the server no longer has our resourceVersion. The cache stays in use while the API server is unreachable.

import { Fault, oneLine } from "../util/errors.ts";
import { type ApiConnection, KubeRefusal, REQUEST_LIMIT_MS } from "./api_connection.ts";
import { readLines } from "./read_lines.ts";
import { pause } from "../util/async/pause.ts";
import { fieldsIn, hasUid, type KubeObject, StringPool, versionIn } from "./objects.ts";

/** Which objects are watched, and what is cached of each. */
export interface InformerOptions<T extends KubeObject> {
  /** For messages: "pods of this host". */
  readonly title: string;
  /** Path of the collection, `/api/v1/pods`. */
  readonly path: string;
  /** Parameters of each request, such as a fieldSelector. */
  readonly query?: Readonly<Record<string, string>>;
  /** Returns what is cached of an object; undefined if it is not of this kind. */
  readonly keep: (value: unknown, strings: StringPool) => T | undefined;
  /** Called for each object that was added, changed in what is cached, or deleted. */
  readonly onChange?: (before: T | undefined, after: T | undefined) => void;
  /** Objects per page of a list. A page of pods has some 5 KB for each. @default 100 */
  readonly pageSize?: number;
  /** Timeout of a watch in seconds, after which the server ends it. @default 300 */
  readonly watchSeconds?: number;
}

// A server that no longer has our resourceVersion opens the watch all the same, and says so in its first line (1.20);
// events from meanwhile come as quickly. After this time without either, the cache counts as up to date.
const SETTLE_MS = 200;
// Watches that end within QUICK_MS, one after another, are 0.4 to 6.4 s apart.
const QUICK_MS = 1_000;
const PAUSE_MS = 100;
/** How much longer than its timeout a watch may last before it counts as hanging. */
const GRACE_MS = 15_000;
/** Most pages of one list; the continue token of a page lasts some five minutes anyway. */
const MOST_PAGES = 10_000;

interface Page {
  readonly items: readonly unknown[];
  readonly next: string;
  readonly version: string | undefined;
}

/** The cached objects of one kind, by UID and by name. */
export class Informer<T extends KubeObject> {
  readonly title: string;
  readonly #options: InformerOptions<T>;
  readonly #byUid = new Map<string, T>();
  readonly #uidByName = new Map<string, string>();
  readonly #strings = new StringPool();
  #version: string | undefined;
  #isLive = false;

  constructor(options: InformerOptions<T>) {
    this.title = options.title;
    this.#options = options;
  }

  /** All cached objects, in no order. */
  get objects(): Iterable<T> {
    return this.#byUid.values();
  }

  /** Number of cached objects. */
  get size(): number {
    return this.#byUid.size;
  }

  /** Whether a watch is running, so that the cache is up to date. */
  get isLive(): boolean {
    return this.#isLive;
  }

  /** The resourceVersion up to which the cache is complete. */
  get version(): string | undefined {
    return this.#version;
  }

  /** Returns the object of that name; with `uid`, only if it has that UID, see hasUid(). */
  find(namespace: string, name: string, uid?: string): T | undefined {
    const object = this.#byUid.get(this.#uidByName.get(nameOf({ namespace, name })) ?? "");
    return object && (uid === undefined || hasUid(object, uid)) ? object : undefined;
  }

  /** Forgets the resourceVersion: the next session relists. The cache stays until then. */
  forgetVersion(): void {
    this.#version = undefined;
    this.#isLive = false;
  }

  /** Empties the cache. */
  clear(): void {
    this.forgetVersion();
    for (const object of [...this.#byUid.values()]) this.#remove(object);
  }

  /**
   * Lists and watches until `signal` aborts; `onLive` is called whenever the cache has become up to date. Faults: what
   * ends the connection; KubeRefusal, if only this kind is refused.
   */
  async run(connection: ApiConnection, signal: AbortSignal, onLive: () => void): Promise<void> {
    try {
      const live = () => {
        if (this.#isLive) return;
        this.#isLive = true;
        onLive();
      };
      let quick = 0;
      while (!signal.aborted) {
        if (this.#version === undefined) {
          if (!await this.#list(connection, signal)) continue;
          live();
        }
        const began = performance.now();
        await this.#watch(connection, signal, live);
        quick = performance.now() - began < QUICK_MS ? Math.min(quick + 1, 6) : 0;
        if (quick > 1) await pause(PAUSE_MS * 2 ** quick, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw connection.faultOf(error);
    } finally {
      this.#isLive = false;
    }
  }

  /**
   * Lists page by page, with no more than the text of one page in memory. Returns false if the server no longer had
   * the resourceVersion of the list before its end.
   */
  async #list(connection: ApiConnection, signal: AbortSignal): Promise<boolean> {
    const seen = new Set<string>();
    let [next, version]: [string, string | undefined] = ["", undefined];
    for (let pages = 0; pages === 0 || next !== ""; pages++) {
      const page = await unlessExpired(this.#page(connection, signal, next));
      if (!page) return false;
      // The resourceVersion of the first page is that of all pages.
      version ??= page.version;
      for (const item of page.items) {
        const object = this.#options.keep(item, this.#strings);
        if (!object) continue;
        seen.add(object.uid);
        this.#put(object);
      }
      next = page.next;
      if (pages > MOST_PAGES) throw this.#unexpected(`its list has more than ${MOST_PAGES} pages`);
    }
    for (const object of [...this.#byUid.values()]) if (!seen.has(object.uid)) this.#remove(object);
    this.#version = version ?? "0";
    return true;
  }

  async #page(connection: ApiConnection, signal: AbortSignal, next: string): Promise<Page> {
    const limit = String(this.#options.pageSize ?? 100);
    const path = this.#pathOf({ limit, ...next === "" ? {} : { continue: next } });
    const value = await connection.requestJson({ path, signal }, REQUEST_LIMIT_MS);
    const { items, metadata } = fieldsIn(value);
    if (!Array.isArray(items)) throw this.#unexpected("the response is not a list");
    const more = fieldsIn(metadata).continue;
    return { items, next: typeof more === "string" ? more : "", version: versionIn(value) };
  }

  /** Runs one watch to its end, usually the server's timeout. */
  async #watch(
    connection: ApiConnection,
    signal: AbortSignal,
    onSettled: () => void,
  ): Promise<void> {
    const { watchSeconds = 300 } = this.#options;
    // With jitter, so that the agents of many hosts do not reconnect all at once.
    const seconds = Math.ceil(watchSeconds * (0.75 + Math.random() / 4));
    const path = this.#pathOf({
      watch: "1",
      resourceVersion: this.#version ?? "0",
      allowWatchBookmarks: "true",
      timeoutSeconds: String(seconds),
    });
    const late = AbortSignal.timeout(seconds * 1_000 + GRACE_MS);
    const ends = AbortSignal.any([signal, late]);
    const response = await unlessExpired(connection.request({ path, signal: ends }));
    if (!response) return this.forgetVersion();
    if (!response.body) throw this.#unexpected("the watch has no body");
    const settling = setTimeout(onSettled, SETTLE_MS);
    try {
      for await (const line of readLines(response.body, ends)) {
        if (!this.#handle(line)) return;
      }
    } catch (error) {
      // The server did not end it in time: the next watch shows whether the connection works.
      if (!late.aborted || signal.aborted) throw error;
    } finally {
      clearTimeout(settling);
    }
  }

  /** Handles one event; returns false if the watch cannot be continued. */
  #handle(line: string): boolean {
    const { type, object } = eventIn(line) ?? {};
    if (type === "BOOKMARK") {
      this.#version = versionIn(object) ?? this.#version;
      return true;
    }
    if (type === "ERROR" || type === undefined) {
      // 410: the server no longer has our resourceVersion; any other error is as good a reason to relist.
      this.forgetVersion();
      return false;
    }
    const kept = this.#options.keep(object, this.#strings);
    if (kept && type === "DELETED") this.#remove(kept);
    else if (kept) this.#put(kept);
    this.#version = versionIn(object) ?? this.#version;
    return true;
  }

  #put(object: T): void {
    const before = this.#byUid.get(object.uid);
    const name = nameOf(object);
    const holder = this.#byUid.get(this.#uidByName.get(name) ?? "");
    // A name belongs to one object: the earlier one is gone, even if its deletion is reported later.
    if (holder && holder.uid !== object.uid) this.#remove(holder);
    this.#uidByName.set(name, object.uid);
    if (before && isSame(before, object)) return;
    this.#byUid.set(object.uid, object);
    this.#options.onChange?.(before, object);
  }

  #remove({ uid }: T): void {
    const before = this.#byUid.get(uid);
    if (!before) return;
    this.#byUid.delete(uid);
    if (this.#uidByName.get(nameOf(before)) === uid) this.#uidByName.delete(nameOf(before));
    this.#options.onChange?.(before, undefined);
  }

  #pathOf(more: Readonly<Record<string, string>>): string {
    return `${this.#options.path}?${new URLSearchParams({ ...this.#options.query, ...more })}`;
  }

  #unexpected(why: string): Fault {
    return new Fault("unavailable", `${this.title} cannot be listed`, {
      why,
      fix: "check whether the server in the kubeconfig is an API server",
    });
  }
}

/** Returns the response; undefined if the server no longer has the requested resourceVersion (410). */
async function unlessExpired<T>(response: Promise<T>): Promise<T | undefined> {
  try {
    return await response;
  } catch (error) {
    if (error instanceof KubeRefusal && error.refusal === "expired") return undefined;
    throw error;
  }
}

function nameOf({ namespace, name }: { readonly namespace: string; readonly name: string }) {
  return `${namespace}/${name}`;
}

/** Compares cached objects as JSON: their fields always have the same order. */
function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function eventIn(line: string): { readonly type: string; readonly object: unknown } | undefined {
  try {
    const { type, object } = fieldsIn(JSON.parse(line));
    return typeof type === "string" ? { type, object } : undefined;
  } catch (cause) {
    throw new Fault("unavailable", "a watch event of the API server is not JSON", {
      why: `"${oneLine(line, 60)}"`,
      cause,
    });
  }
}
