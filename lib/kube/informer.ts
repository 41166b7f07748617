// The objects of one kind as they are now: listed once, then followed by watches, and listed again only
// where the server has forgotten our version. What is known stays known while nobody can be asked.

import { Fault, oneLine } from "../util/errors.ts";
import { type ApiConnection, KubeRefusal } from "./api_connection.ts";
import { readLines } from "./read_lines.ts";
import { pause } from "../util/async/pause.ts";
import { fieldsIn, type KubeObject, Shelf, versionIn } from "./objects.ts";

/** Which objects are followed, and what is kept of each. */
export interface InformerOptions<T extends KubeObject> {
  /** For messages: "pods of this host". */
  readonly title: string;
  /** e.g. `/api/v1/pods` */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Returns what is kept; undefined for what is none of this kind. */
  readonly keep: (value: unknown, shelf: Shelf) => T | undefined;
  /** Is told each object that came, changed in what is kept, or went. */
  readonly onChange?: (before: T | undefined, after: T | undefined) => void;
  /** Objects in one answer. A page of pods has some 5 KB for each. @default 100 */
  readonly pageSize?: number;
  /** How long a watch lasts; the server ends it then. @default 300 */
  readonly watchSeconds?: number;
}

// A server that has forgotten our version opens the watch, and says so in its first line (1.20); what
// has happened meanwhile comes as quickly.
const SETTLE_MS = 200;
// Watches that end as soon as they begin, one after another: 0.4 to 6.4 s apart.
const QUICK_MS = 1_000;
const PAUSE_MS = 100;
const GRACE_MS = 15_000;
const PAGE_MS = 30_000;
// A page's token lasts some five minutes: a list that takes this long starts anew.
const MOST_PAGES = 10_000;

interface Page {
  readonly items: readonly unknown[];
  readonly next: string;
  readonly version: string | undefined;
}

/** One kind's objects, by UID and by name. */
export class Informer<T extends KubeObject> {
  readonly title: string;
  readonly #options: InformerOptions<T>;
  readonly #byUid = new Map<string, T>();
  readonly #uidByName = new Map<string, string>();
  readonly #shelf = new Shelf();
  #version: string | undefined;
  #isLive = false;

  constructor(options: InformerOptions<T>) {
    this.title = options.title;
    this.#options = options;
  }

  /** All that is known, in no order. */
  get objects(): Iterable<T> {
    return this.#byUid.values();
  }

  get size(): number {
    return this.#byUid.size;
  }

  /** Changes are told at this moment: what is known is what the server has. */
  get isLive(): boolean {
    return this.#isLive;
  }

  /** Version up to which all is known. */
  get version(): string | undefined {
    return this.#version;
  }

  /** Returns the object that has the name now; with `uid` only that one. */
  find(namespace: string, name: string, uid?: string): T | undefined {
    const object = this.#byUid.get(uid ?? this.#uidByName.get(nameOf({ namespace, name })) ?? "");
    return object && nameOf(object) === nameOf({ namespace, name }) ? object : undefined;
  }

  /** Forgets the version: the next session lists. What is known stays until then. */
  distrust(): void {
    this.#version = undefined;
    this.#isLive = false;
  }

  /** Forgets all. */
  clear(): void {
    this.distrust();
    for (const object of [...this.#byUid.values()]) this.#remove(object);
  }

  /**
   * Follows the server until `signal` aborts; `onLive` is called whenever what is known has become
   * true. Faults: what ends the connection. A refusal of this kind alone is thrown as KubeRefusal.
   */
  async follow(connection: ApiConnection, signal: AbortSignal, onLive: () => void): Promise<void> {
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
   * Lists, page by page: no more than one page's text is held at a time. False where the server has
   * forgotten the list's version meanwhile.
   */
  async #list(connection: ApiConnection, signal: AbortSignal): Promise<boolean> {
    const seen = new Set<string>();
    let [next, version]: [string, string | undefined] = ["", undefined];
    for (let pages = 0; pages === 0 || next !== ""; pages++) {
      const page = await unlessExpired(this.#page(connection, signal, next));
      if (!page) return false;
      // The first page's version is that of all.
      version ??= page.version;
      for (const item of page.items) {
        const object = this.#options.keep(item, this.#shelf);
        if (!object) continue;
        seen.add(object.uid);
        this.#put(object);
      }
      next = page.next;
      if (pages > MOST_PAGES) throw this.#strange("its list has no end");
    }
    for (const object of [...this.#byUid.values()]) if (!seen.has(object.uid)) this.#remove(object);
    this.#version = version ?? "0";
    return true;
  }

  async #page(connection: ApiConnection, signal: AbortSignal, next: string): Promise<Page> {
    const limit = String(this.#options.pageSize ?? 100);
    const path = this.#pathOf({ limit, ...next === "" ? {} : { continue: next } });
    const value = await connection.askJson({ path, signal }, PAGE_MS);
    const { items, metadata } = fieldsIn(value);
    if (!Array.isArray(items)) throw this.#strange("its answer is no list");
    const more = fieldsIn(metadata).continue;
    return { items, next: typeof more === "string" ? more : "", version: versionIn(value) };
  }

  /** Follows one watch to its end: the server's time limit, as a rule. */
  async #watch(
    connection: ApiConnection,
    signal: AbortSignal,
    onSettled: () => void,
  ): Promise<void> {
    const { watchSeconds = 300 } = this.#options;
    // Spread, so that the agents of many hosts do not come all at once.
    const seconds = Math.ceil(watchSeconds * (0.75 + Math.random() / 4));
    const path = this.#pathOf({
      watch: "1",
      resourceVersion: this.#version ?? "0",
      allowWatchBookmarks: "true",
      timeoutSeconds: String(seconds),
    });
    const late = AbortSignal.timeout(seconds * 1_000 + GRACE_MS);
    const ends = AbortSignal.any([signal, late]);
    const response = await unlessExpired(connection.ask({ path, signal: ends }));
    if (!response) return this.distrust();
    if (!response.body) throw this.#strange("its watch has no body");
    const settling = setTimeout(onSettled, SETTLE_MS);
    try {
      for await (const line of readLines(response.body, ends)) {
        if (!this.#take(line)) return;
      }
    } catch (error) {
      // Over the time that the server had for it: the next watch tells whether it is well.
      if (!late.aborted || signal.aborted) throw error;
    } finally {
      clearTimeout(settling);
    }
  }

  /** Takes one event; false where the watch is of no use any more. */
  #take(line: string): boolean {
    const { type, object } = eventIn(line) ?? {};
    if (type === "BOOKMARK") {
      this.#version = versionIn(object) ?? this.#version;
      return true;
    }
    if (type === "ERROR" || type === undefined) {
      // 410: our version is forgotten; any other is as good a reason to ask for all anew.
      this.distrust();
      return false;
    }
    const kept = this.#options.keep(object, this.#shelf);
    if (kept && type === "DELETED") this.#remove(kept);
    else if (kept) this.#put(kept);
    this.#version = versionIn(object) ?? this.#version;
    return true;
  }

  #put(object: T): void {
    const before = this.#byUid.get(object.uid);
    const name = nameOf(object);
    const holder = this.#byUid.get(this.#uidByName.get(name) ?? "");
    // One name, one object: the earlier one is gone, though its end may be told later.
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

  #strange(why: string): Fault {
    return new Fault("unavailable", `${this.title} cannot be listed`, {
      why,
      fix: "see whether the kubeconfig's server is an API server",
    });
  }
}

/** Returns the answer, undefined where the server has forgotten the version that was asked for. */
async function unlessExpired<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof KubeRefusal && error.refusal === "expired") return undefined;
    throw error;
  }
}

function nameOf({ namespace, name }: { readonly namespace: string; readonly name: string }) {
  return `${namespace}/${name}`;
}

/** What is kept has the order that its maker gave it, so its text tells. */
function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function eventIn(line: string): { readonly type: string; readonly object: unknown } | undefined {
  try {
    const { type, object } = fieldsIn(JSON.parse(line));
    return typeof type === "string" ? { type, object } : undefined;
  } catch (cause) {
    throw new Fault("unavailable", "API server's watch is no JSON", {
      why: `"${oneLine(line, 60)}"`,
      cause,
    });
  }
}
