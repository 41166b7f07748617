// The documents below one prefix of the store: read, then followed from the revision at which they were read, so that no
// change is missed.

import { pause } from "../../util/async/pause.ts";
import { isUnreachable } from "../../util/errors.ts";
import type { Entry, Store } from "../../store/store.ts";
import type { ViewSource } from "./store_view.ts";
import { type DocumentPart, VersionedMap, type VersionedWrite } from "./versioned_map.ts";

const RETRY_MS = 1_000;

/** Documents below a prefix. */
export class FollowedPart {
  readonly prefix: string;
  readonly map: VersionedMap;
  readonly #source: ViewSource;
  readonly #part: DocumentPart | undefined;
  #isClosed = false;

  /** @default part all documents, which nobody else has */
  constructor(source: ViewSource, prefix: string, part?: DocumentPart) {
    this.#source = source;
    this.prefix = prefix;
    this.#part = part;
    this.map = new VersionedMap(part);
    this.map.onChange = (key) => source.onChange(key);
  }

  /** From now on, what still arrives changes nothing. */
  close(): void {
    this.#isClosed = true;
  }

  /** Makes the documents equal to what the store lists now. Faults: unavailable, timeout. */
  async load(onRead?: (count: number) => void): Promise<void> {
    const before = this.map.revision;
    const { entries, revision } = await this.#read(onRead);
    if (this.#isClosed) return;
    // A store that was restored or re-created has other revisions: what was known before does not apply to it.
    if (revision < before) this.map.forget();
    // The watch has reported more meanwhile, also deletions of what is listed.
    if (revision < this.map.revision) return;
    this.map.replaceAll(entries, revision);
  }

  /** Lists everything; if nothing is known yet, takes over each page while waiting for the next one. */
  async #read(onRead: (count: number) => void = () => {}): ReturnType<Store["list"]> {
    const { store, call } = this.#source;
    // With a reader of pages, as a large store takes its time.
    if (this.map.size > 0) return await call(() => store.list(this.prefix, () => {}));
    // Pages of a list that has failed may still arrive.
    let isOver = false;
    const takeOver = (page: readonly Entry[]) => {
      if (isOver || this.#isClosed) return;
      page.forEach((entry) => this.map.merge(entry));
      onRead(this.map.size);
    };
    try {
      return await call(() => store.list(this.prefix, takeOver));
    } catch (error) {
      this.map.takeBack();
      throw error;
    } finally {
      isOver = true;
    }
  }

  /** Reads all again, as soon as the store answers. */
  async #reload(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.load();
        this.#part?.onReload();
        return;
      } catch (error) {
        if (!isUnreachable(error)) throw error;
        await pause(RETRY_MS, signal);
      }
    }
  }

  /** Takes over a change; reports whether it is news. */
  #merge(change: VersionedWrite): boolean {
    return this.map.merge(change) && (this.#part?.isNews(change) ?? true);
  }

  /**
   * Follows the changes until `signal` aborts, or documents are gone because the store was lost; calls `notify` after
   * each batch with changes of others.
   */
  async follow(signal: AbortSignal, notify: () => void): Promise<void> {
    while (!signal.aborted) {
      const batches = this.#source.store.watch(this.prefix, this.map.revision, signal);
      for await (const batch of batches) {
        const mayBeLost = batch.kind === "compacted" || batch.changes.some(isDeletion);
        if (mayBeLost && this.#part && !await this.#part.isIntact(signal)) return;
        if (batch.kind !== "compacted") await this.#source.commits.ended(batch.changes);
        if (this.#isClosed) return;
        let isNews = batch.kind === "compacted";
        if (batch.kind === "compacted") await this.#reload(signal);
        else for (const change of batch.changes) isNews = this.#merge(change) || isNews;
        this.map.settle(batch.revision);
        if (isNews) notify();
      }
    }
  }
}

function isDeletion({ value }: VersionedWrite): boolean {
  return value === undefined;
}
