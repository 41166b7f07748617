// A store with intents in it, and what plans have chosen there.

import { IntentDatabase } from "./intent_database.ts";

/** Returns a store in which these intents were applied one after the other. */
export function storeWith(...files: readonly unknown[]): IntentDatabase {
  const store = new IntentDatabase();
  for (const file of files) store.applyFile("add", file);
  return store;
}

/** Returns an endpoint's address, as chosen or fixed. */
export const addressOf = (store: IntentDatabase, path: string) =>
  store.get(`endpoints/${path}`)?.address;

/** Returns a network's VLAN or VNI, as chosen or fixed. */
export const tagOf = (store: IntentDatabase, path: string) => store.get(`networks/${path}`)?.tag;

/** Returns a network's subnet, as chosen or fixed. */
export const subnetOf = (store: IntentDatabase, path: string) =>
  store.get(`networks/${path}`)?.subnet;
