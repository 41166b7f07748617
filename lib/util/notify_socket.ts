// Messages to the service manager, as of sd_notify(3): each is one datagram to the unix socket that the
// variable NOTIFY_SOCKET names. By libc, as Deno's own datagrams to unix sockets are unstable, and reach no
// abstract ones. Nothing here blocks.

import { Fault, systemWords } from "./errors.ts";
import { parseSocketPath } from "./socket_path.ts";

const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  // It returns a long; what is sent here fits its lower half.
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

// Values of <sys/socket.h>; the same on every machine that Deno is built for.
const AF_UNIX = 1;
const DATAGRAM = 2 | 0o4000 | 0o2000000; // SOCK_DGRAM, SOCK_NONBLOCK, SOCK_CLOEXEC
const MSG_NOSIGNAL = 0x4000;

/**
 * Returns the address of a unix socket (unix(7)): a path, or after `@` the name of an abstract one. Faults:
 * usage, if it is too long, or neither.
 */
export function unixAddress(name: string): Uint8Array<ArrayBuffer> {
  const isAbstract = name.startsWith("@");
  if (!isAbstract && !name.startsWith("/")) {
    throw new Fault("usage", `NOTIFY_SOCKET "${name}" is not the name of a unix socket`, {
      why: "it begins with neither / nor @",
      fix: "start the agent by its unit, or unset NOTIFY_SOCKET",
    });
  }
  const path = new TextEncoder().encode(parseSocketPath("NOTIFY_SOCKET", name));
  if (isAbstract) path[0] = 0;
  // An abstract name ends with the address; a path ends with a zero.
  const address = new Uint8Array(2 + path.length + (isAbstract ? 0 : 1));
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(path, 2);
  return address;
}

/**
 * Opens the service manager's socket; the result sends one message, and reports whether it was taken. Faults:
 * those of unixAddress(); unavailable, without permission or without glibc.
 */
export function openNotifySocket(name: string): (message: string) => boolean {
  const address = unixAddress(name);
  const libc = openLibrary();
  return (message) => {
    const fd = libc.socket(AF_UNIX, DATAGRAM, 0);
    if (fd < 0) return false;
    try {
      // A socket for each message: that of a service manager that was restarted is another one.
      if (libc.connect(fd, address, address.length) < 0) return false;
      const bytes = new TextEncoder().encode(message);
      return libc.send(fd, bytes, BigInt(bytes.length), MSG_NOSIGNAL) === bytes.length;
    } finally {
      libc.close(fd);
    }
  };
}

function openLibrary(): Deno.DynamicLibrary<typeof SYMBOLS>["symbols"] {
  try {
    return Deno.dlopen("libc.so.6", SYMBOLS).symbols;
  } catch (cause) {
    throw new Fault("unavailable", "libc.so.6 cannot be called", {
      why: systemWords(cause),
      fix: "run with --allow-ffi on glibc, or unset NOTIFY_SOCKET",
      cause,
    });
  }
}
