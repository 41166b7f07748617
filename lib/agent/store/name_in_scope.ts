// Under which keys a host knows the documents of a shared store. Pure.

import { attachmentOfMember, INDEX_FOLDER, indexKeys } from "../../intent/store_index.ts";
import { keys } from "../../intent/records.ts";

/**
 * Returns the key under which `host` knows a document: attachments of other hosts come from the index of their network,
 * their presences from that of hosts. Its own come from their own folders; undefined for their copies.
 */
export function nameInScope(key: string, host: string): string | undefined {
  if (!key.startsWith(INDEX_FOLDER) || key.startsWith(indexKeys.state)) return key;
  if (key.startsWith(indexKeys.hosts)) {
    const other = key.slice(indexKeys.hosts.length);
    return other === host ? undefined : keys.presence(other);
  }
  const attachment = attachmentOfMember(key);
  return attachment?.startsWith(`attachments/${host}/`) ? undefined : attachment;
}
