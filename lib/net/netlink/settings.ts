// Settings of links that rtnetlink does not offer: those below /proc/sys, which Deno does not open without -A, and
// those of ethtool.

import { C, call, type Libc, Refusal } from "./libc.ts";
import { openFile } from "./netns_sockets.ts";
import type { NetlinkSocket } from "./netlink_socket.ts";

const SIOCETHTOOL = 0x8946n;
const ETHTOOL_STXCSUM = 0x17;

/** Sets accept_ra of the host end to 0; returns false if the link has no IPv6. */
export function disableRouterAdvertisements(libc: Libc, hostEnd: string): boolean {
  const path = `/proc/sys/net/ipv6/conf/${hostEnd}/accept_ra`;
  try {
    using file = openFile(libc, path, C.writeOnly);
    call(libc, `write to ${path}`, () => libc.write(file.fd, new Uint8Array([0x30]), 1n));
    return true;
  } catch (error) {
    // No IPv6 in the kernel, or an MTU below the 1280 that IPv6 needs.
    if (error instanceof Refusal && error.is("ENOENT")) return false;
    throw error;
  }
}

/** Turns transmit checksum offload off, for a link of the socket's namespace. */
export function disableChecksumOffload(libc: Libc, { fd }: NetlinkSocket, name: string): void {
  const value = new DataView(new ArrayBuffer(8)); // struct ethtool_value
  value.setUint32(0, ETHTOOL_STXCSUM, true);
  const bytes = new Uint8Array(value.buffer);
  const request = new DataView(new ArrayBuffer(40)); // struct ifreq
  const ifreq = new Uint8Array(request.buffer);
  ifreq.set(new TextEncoder().encode(name));
  request.setBigUint64(16, Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)), true);
  call(libc, `checksum offload of ${name}`, () => libc.ioctl(fd, SIOCETHTOOL, ifreq));
}
