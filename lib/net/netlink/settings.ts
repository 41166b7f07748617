// Settings of links that rtnetlink does not know: below /proc/sys, which Deno opens for nobody
// without -A, and those of ethtool.

import { C, call, type Libc, Refusal } from "./libc.ts";
import { openFile } from "./netns_sockets.ts";
import type { NetlinkSocket } from "./netlink_socket.ts";

const SIOCETHTOOL = 0x8946n;
const ETHTOOL_STXCSUM = 0x17;

/** Writes `0` to the host end's accept_ra; gives false where the link knows no IPv6. */
export function refuseRouters(libc: Libc, hostEnd: string): boolean {
  const path = `/proc/sys/net/ipv6/conf/${hostEnd}/accept_ra`;
  try {
    using file = openFile(libc, path, C.writeOnly);
    call(libc, `setting of ${path}`, () => libc.write(file.fd, new Uint8Array([0x30]), 1n));
    return true;
  } catch (error) {
    // No IPv6 in the kernel, or an MTU below the 1280 that IPv6 needs.
    if (error instanceof Refusal && error.is("ENOENT")) return false;
    throw error;
  }
}

/** Has a link of the socket's namespace sum its checksums before it sends. */
export function sumChecksums(libc: Libc, { fd }: NetlinkSocket, name: string): void {
  const value = new DataView(new ArrayBuffer(8)); // struct ethtool_value
  value.setUint32(0, ETHTOOL_STXCSUM, true);
  const bytes = new Uint8Array(value.buffer);
  const request = new DataView(new ArrayBuffer(40)); // struct ifreq
  const ifreq = new Uint8Array(request.buffer);
  ifreq.set(new TextEncoder().encode(name));
  request.setBigUint64(16, Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)), true);
  call(libc, `checksum offload of ${name}`, () => libc.ioctl(fd, SIOCETHTOOL, ifreq));
}
