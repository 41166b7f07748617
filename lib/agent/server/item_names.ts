// The names of an item of `get`. Pure.

/** One object as `get -o json` prints it. */
export type Item = Readonly<Record<string, unknown>>;

/**
 * Returns the names of an item: its own, with its owners', its pod's without and with namespace, and of a policy, which is
 * called `tenant/name`, the part behind the slash.
 */
export function namesOf(item: Item): string[] {
  const pod = item.pod as { readonly namespace: string; readonly name: string } | undefined;
  const own = item.name ?? item.endpoint;
  return [
    own,
    [item.tenant, item.network, own].filter(Boolean).join("/"),
    pod?.name,
    pod && `${pod.namespace}/${pod.name}`,
    typeof own === "string" && own.includes("/") ? own.slice(own.indexOf("/") + 1) : undefined,
  ].filter((name) => typeof name === "string" && name !== "") as string[];
}

/** Returns the items that have the name `name`; all items without one. */
export function named<T extends object>(
  items: readonly T[],
  name: string | undefined,
): readonly T[] {
  if (name === undefined) return items;
  return items.filter((item) => namesOf(item as unknown as Item).includes(name));
}
