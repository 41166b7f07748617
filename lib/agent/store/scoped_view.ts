// What one host needs of a shared store, kept up to date by a watch for each prefix. The attachments of other hosts come
// from the index of their network (intent/store_index.ts), and have the keys and revisions of their records here.
//
// A network is followed while it concerns the host, or is held: a set-up holds the networks of its pod. Its parts are
// read before anything relies on them, and dropped a while after the last need.

import { IndexedDocuments } from "../../intent/indexed_documents.ts";
import type { Document } from "../../intent/records.ts";
import { endpointOfName, indexKeys } from "../../intent/store_index.ts";
import { Coalesced } from "../../util/async/coalesced.ts";
import { inParallel } from "../../util/async/in_parallel.ts";
import { pause } from "../../util/async/pause.ts";
import { isUnreachable } from "../../util/errors.ts";
import { FollowedPart } from "./followed_part.ts";
import { IntactCheck } from "./intact_check.ts";
import { nameInScope } from "./name_in_scope.ts";
import { basePrefixes, indexedIn, neededNetworks, ownKeys, prefixesOf } from "./needed_networks.ts";
import type { StoreView, ViewSource } from "./store_view.ts";
import type { VersionedWrite } from "./versioned_map.ts";

/** What a host needs beside what its documents say. */
export interface ScopeNeeds {
  readonly host: string;
  /** Networks (`tenant/network`) that are held. */
  readonly held: () => Iterable<string>;
  /** Called with each apply that ends; reports whether it may concern this host's pods. Undefined: any may have ended. */
  readonly noteApply: (applies: Document | undefined) => boolean;
  /** Whether a policy of Kubernetes is known, which may name pods anywhere. */
  readonly hasKubePolicies: () => boolean;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

// A pod that is replaced by another one finds its network still known.
const LINGER_MS = 30_000;
const CHECK_MS = 10_000;
const RETRY_MS = 1_000;
// Lists at the same time: an agent's start must not overrun etcd.
const PARALLEL = 16;

const MANY_WORDS = 4;

/** One prefix that is followed. */
interface Followed {
  readonly part: FollowedPart;
  readonly loaded: Promise<void>;
  isLoaded: boolean;
  readonly ended: AbortController;
  neededMs: number;
}

/** A view of what a host needs. */
export class ScopedView implements StoreView {
  readonly documents = new IndexedDocuments();
  readonly isWhole = false;
  readonly #source: ViewSource;
  readonly #needs: ScopeNeeds;
  readonly #followed = new Map<string, Followed>();
  readonly #adjusting = new Coalesced(() => this.#adjust());
  readonly #intact: IntactCheck;
  readonly #catchingUp = new Coalesced(() => this.#catchUp());
  /** Set while the store is followed. */
  #following: { readonly signal: AbortSignal; readonly notify: () => void } | undefined;
  readonly #failed = Promise.withResolvers<never>();
  /** Revision of the last change of the intent that is known; 0 before the first. */
  #intentRevision = 0;
  #isAdjustDue = false;
  /** Keys of documents that were read for a commit, and of which nobody reports changes. */
  readonly #strays = new Set<string>();
  /** The watches. */
  readonly #watching = new Set<Promise<void>>();

  constructor(source: ViewSource, needs: ScopeNeeds) {
    this.#source = {
      ...source,
      onChange: (key) => {
        this.#noteChange(key);
        source.onChange(key);
      },
    };
    this.#needs = needs;
    // All of it is read anew then, as a whole.
    this.#intact = new IntactCheck(source, () => {
      this.documents.delete(indexKeys.complete);
      this.#following?.notify();
    });
    this.#failed.promise.catch(() => {});
  }

  get revision(): number {
    return Math.max(0, ...[...this.#followed.values()].map(({ part }) => part.map.revision));
  }

  async load(onRead: (count: number) => void = () => {}): Promise<void> {
    this.#intentRevision = await this.#readIntentRevision();
    await this.#ensure(basePrefixes(this.#needs.host), () => onRead(this.documents.size));
    for (const key of ownKeys(this.#needs.host)) await this.learn(key);
    await this.adjust();
    await this.#intact.run();
    this.#needs.noteApply(this.documents.get(indexKeys.applies));
  }

  merge(write: VersionedWrite): void {
    const { key, value, revision } = write;
    if (ownKeys(this.#needs.host).includes(key)) {
      return this.put(key, value === undefined ? undefined : { value, revision });
    }
    for (const part of this.#partsOf(write.key)) part.map.merge(write);
    // What a commit that needed it has read of another part is out of date now.
    if (this.#strays.delete(write.key) && !this.#isInPart(write.key)) {
      this.documents.delete(write.key);
    }
  }

  put(key: string, document: Document | undefined): void {
    const parts = this.#partsOf(key);
    for (const part of parts) part.map.put(key, document);
    if (parts.length > 0) return;
    if (!ownKeys(this.#needs.host).includes(key)) this.#strays.add(key);
    if (document) this.documents.set(key, document);
    else this.documents.delete(key);
  }

  /** Makes sure that tenants, networks and settings are known as they were before this call. */
  catchUp(): Promise<void> {
    return this.#catchingUp.run();
  }

  async #catchUp(): Promise<void> {
    const revision = await this.#readIntentRevision();
    if (revision === this.#intentRevision) return;
    await this.#intact.run();
    if (this.#intact.isLost) return;
    const ofIntent = ["tenants/", "networks/", "clusters/"]
      .flatMap((prefix) => this.#followed.get(prefix)?.part ?? []);
    await Promise.all(ofIntent.map((part) => part.load()));
    this.#intentRevision = revision;
    await this.adjust();
  }

  async #readIntentRevision(): Promise<number> {
    const { store, call } = this.#source;
    return (await call(() => store.get(indexKeys.intent)))?.revision ?? 0;
  }

  async learn(key: string): Promise<void> {
    const { store, call, reads } = this.#source;
    await reads.readInto(this, key, () => call(() => store.get(key)));
  }

  knows(network: string): boolean {
    if (this.#intact.isLost) return false;
    const [tenant = ""] = network.split("/");
    return ["endpoints", "members"].every((folder) =>
      [network, tenant].some((place) => this.#followed.get(`${folder}/${place}/`)?.isLoaded)
    );
  }

  /** Reads what is needed and not known, and drops what was not needed for a while. */
  adjust(): Promise<void> {
    return this.#missing().length === 0 ? Promise.resolve() : this.#adjusting.run();
  }

  async networksNamed(words: readonly string[]): Promise<readonly (readonly string[])[]> {
    const { store, call } = this.#source;
    // Most words of a host with many containers name nothing, or at its start what its pods have already.
    const counts = words.length > MANY_WORDS
      ? await call(() => store.count(words.map(indexKeys.named)))
      : undefined;
    const all = words.map((word, at) => ({ word, count: counts?.[at] }));
    return await inParallel(PARALLEL, all, async ({ word, count }) => {
      const known = indexedIn(this.documents, word);
      if (count === known.length) return [...new Set(known.map(networkOf))];
      const { entries } = await call(() => store.list(indexKeys.named(word)));
      for (const { key, revision } of entries) {
        await this.#learnSince(endpointOfName(key), revision);
      }
      return [...new Set(entries.map(({ key }) => networkOf(endpointOfName(key))))];
    });
  }

  /** Reads a document that was written with `revision`, if the watch of its prefix has not reported that yet. */
  async #learnSince(key: string, revision: number): Promise<void> {
    for (const { part, loaded } of this.#followed.values()) {
      if (!key.startsWith(part.prefix)) continue;
      await loaded;
      if (part.map.revision < revision) return await this.learn(key);
    }
  }

  async follow(signal: AbortSignal, notify: () => void): Promise<void> {
    this.#following = { signal, notify };
    for (const followed of this.#followed.values()) {
      if (followed.isLoaded) this.#follow(followed);
    }
    const aborted = new Promise<void>((done) => {
      if (signal.aborted) return done();
      signal.addEventListener("abort", () => done(), { once: true });
    });
    await Promise.race([aborted, this.#failed.promise, this.#keepAdjusted(signal)]);
    await Promise.all(this.#watching);
  }

  async #keepAdjusted(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(CHECK_MS, signal);
      if (!signal.aborted) await this.#tryAdjust(signal);
    }
  }

  /** What cannot be read now is read later: until then, what needs it finds that it is not known. */
  async #tryAdjust(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        return await this.#adjusting.run();
      } catch (error) {
        if (!isUnreachable(error)) throw error;
        await pause(RETRY_MS, signal);
      }
    }
  }

  #partsOf(key: string): FollowedPart[] {
    return [...this.#followed.values()].map(({ part }) => part)
      .filter(({ prefix }) => key.startsWith(prefix));
  }

  /** Reports whether a part has a document, by its key among the documents; `but` does not count. */
  #isInPart(key: string, but?: FollowedPart): boolean {
    for (const { part } of this.#followed.values()) {
      if (part !== but && part.map.has(key)) return true;
    }
    return false;
  }

  /** The networks that a host needs follow from these documents. */
  #noteChange(key: string): void {
    const isAbout = /^(networks|tenants)\//.test(key) ||
      key.startsWith(`attachments/${this.#needs.host}/`);
    if (isAbout) this.#isAdjustDue = true;
  }

  async #adjust(): Promise<void> {
    let hasRead = false;
    // What was read may need more.
    for (let missing = this.#missing(); missing.length > 0; missing = this.#missing()) {
      await this.#ensure(missing);
      hasRead = true;
    }
    this.#drop();
    if (hasRead) this.#following?.notify();
  }

  /** Returns the needed prefixes that are not loaded, and notes when each was needed. */
  #missing(): string[] {
    this.#isAdjustDue = false;
    const { host, held, hasKubePolicies, now } = this.#needs;
    const networks = new Set([...neededNetworks(this.documents, host), ...held()]);
    const prefixes = [
      ...basePrefixes(host),
      ...prefixesOf(this.documents, networks, hasKubePolicies()),
    ];
    return prefixes.filter((prefix) => {
      const known = this.#followed.get(prefix);
      if (known) known.neededMs = now();
      return !known?.isLoaded;
    });
  }

  #drop(): void {
    for (const key of this.#strays) if (!this.#isInPart(key)) this.documents.delete(key);
    this.#strays.clear();
    const before = this.#needs.now() - LINGER_MS;
    for (const [prefix, { part, ended, neededMs }] of this.#followed) {
      if (neededMs > before) continue;
      this.#followed.delete(prefix);
      ended.abort();
      part.close();
      for (const key of part.map.keys) if (!this.#isInPart(key)) this.documents.delete(key);
    }
  }

  async #ensure(prefixes: readonly string[], onRead: () => void = () => {}): Promise<void> {
    await inParallel(PARALLEL, prefixes, (prefix) => this.#read(prefix, onRead));
  }

  #read(prefix: string, onRead: () => void): Promise<void> {
    const known = this.#followed.get(prefix);
    if (known) return known.loaded;
    const part: FollowedPart = new FollowedPart(this.#source, prefix, {
      documents: this.documents,
      nameOf: (key) => nameInScope(key, this.#needs.host),
      isInOther: (key) => this.#isInPart(key, part),
      isNews: (write) => this.#isNews(write),
      isIntact: (signal) => this.#intact.isIntact(signal),
      onReload: () => void this.#needs.noteApply(undefined),
    });
    const ready = Promise.withResolvers<void>();
    const followed: Followed = {
      ...{ part, loaded: ready.promise, isLoaded: false, ended: new AbortController() },
      neededMs: this.#needs.now(),
    };
    this.#followed.set(prefix, followed);
    part.load(onRead).then(() => {
      followed.isLoaded = true;
      if (this.#following) this.#follow(followed);
      ready.resolve();
    }).catch((error) => {
      // It may have been dropped, and read anew, while its list was on its way.
      if (this.#followed.get(prefix) === followed) this.#followed.delete(prefix);
      ready.reject(error);
    });
    return ready.promise;
  }

  #follow({ part, ended }: Followed): void {
    if (!this.#following) return;
    const { signal, notify } = this.#following;
    const noteNews = () => {
      notify();
      if (this.#isAdjustDue) this.#tryAdjust(signal).catch(this.#failed.reject);
    };
    const watching = part.follow(AbortSignal.any([signal, ended.signal]), noteNews)
      .catch((error) => {
        if (!ended.signal.aborted && !signal.aborted) this.#failed.reject(error);
      }).finally(() => this.#watching.delete(watching));
    this.#watching.add(watching);
  }

  /** That tenants or networks have changed is not news: they have watches of their own. */
  #isNews({ key, value, revision }: VersionedWrite): boolean {
    if (key !== indexKeys.applies) return key !== indexKeys.intent;
    return this.#needs.noteApply(value === undefined ? undefined : { value, revision });
  }
}

/** Returns the network (`tenant/network`) of the key of an endpoint. */
function networkOf(endpointKey: string): string {
  return endpointKey.split("/").slice(1, 3).join("/");
}
