// All documents of the store, kept up to date by one watch.

import { Coalesced } from "../../util/async/coalesced.ts";
import type { IndexedDocuments } from "../../intent/indexed_documents.ts";
import type { Document } from "../../intent/records.ts";
import { FollowedPart } from "./followed_part.ts";
import { namedIn } from "./needed_networks.ts";
import type { Known, StoreView, ViewSource } from "./store_view.ts";
import type { VersionedWrite } from "./versioned_map.ts";

// A watch takes a few milliseconds; reading everything a quarter of a second for 20,000 documents.
const WATCH_MS = 500;
// So long a watch may be behind because commits are on their way; longer, because others use the same etcd.
const WAY_MS = 10;
// Listed only to get the store's revision.
const NO_KEY = "none/";

/** A view of the whole store. */
export class WholeView implements StoreView {
  readonly #source: ViewSource;
  readonly #all: FollowedPart;
  #isFollowing = false;
  /** The only networks that are known until all of it is read; undefined: all are. */
  #networks: ReadonlySet<string> | undefined;
  readonly #catchingUp = new Coalesced(() => this.#catchUp());
  /** Whether the last watch that was behind had to be asked for: others write to the same etcd. */
  #hasOthers = false;

  /** @default known nothing; used until load() has read the store */
  constructor(source: ViewSource, known: Known = { documents: new Map() }) {
    this.#source = source;
    this.#all = new FollowedPart(source, "");
    for (const [key, document] of known.documents) this.documents.set(key, document);
    this.#networks = known.networks && new Set(known.networks);
  }

  /** What an earlier agent knew may be a part, until load() has read the store. */
  get isWhole(): boolean {
    return this.#networks === undefined;
  }

  get documents(): IndexedDocuments {
    return this.#all.map.documents;
  }

  get revision(): number {
    return this.#all.map.revision;
  }

  async load(onRead?: (count: number) => void): Promise<void> {
    await this.#all.load(onRead);
    this.#networks = undefined;
  }

  merge(write: VersionedWrite): void {
    this.#all.map.merge(write);
  }

  put(key: string, document: Document | undefined): void {
    this.#all.map.put(key, document);
  }

  /** Makes sure that everything is known that any client committed before this call. */
  catchUp(): Promise<void> {
    return this.#catchingUp.run();
  }

  async #catchUp(): Promise<void> {
    const { store, call } = this.#source;
    const { revision } = await call(() => store.list(NO_KEY));
    if (revision <= this.revision) {
      this.#hasOthers = false;
      return;
    }
    if (!this.#isFollowing || !await this.#watchReaches(revision)) await this.#loadLate();
  }

  /** Reports whether the watch has all commits up to `revision`, which may be another user's of the etcd. */
  async #watchReaches(revision: number): Promise<boolean> {
    const { map } = this.#all;
    if (!this.#hasOthers && await map.reaches(revision, WAY_MS)) return true;
    this.#hasOthers = true;
    const { store, call } = this.#source;
    const watermark = await call(() => store.watermark());
    return await map.reaches(watermark, WATCH_MS);
  }

  /** Reads everything, as the watch has not reported it in time. */
  async #loadLate(): Promise<void> {
    if (this.#isFollowing) this.#source.onLate();
    await this.load();
  }

  async learn(key: string): Promise<void> {
    const { store, call } = this.#source;
    const entry = await call(() => store.get(key));
    // The revision of a deletion is unknown.
    if (!entry) return await this.catchUp();
    const limitMs = this.#isFollowing ? WATCH_MS : 0;
    if (!await this.#all.map.reaches(entry.revision, limitMs)) await this.#loadLate();
  }

  async follow(signal: AbortSignal, notify: () => void): Promise<void> {
    this.#isFollowing = true;
    try {
      await this.#all.follow(signal, notify);
    } finally {
      this.#isFollowing = false;
    }
  }

  knows(network: string): boolean {
    return this.#networks?.has(network) ?? true;
  }

  adjust(): Promise<void> {
    return Promise.resolve();
  }

  networksNamed(words: readonly string[]): Promise<readonly (readonly string[])[]> {
    return Promise.resolve(words.map((word) => namedIn(this.documents, word)));
  }
}
