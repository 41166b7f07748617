// MAC addresses made from IPv4 addresses.

/** Returns the MAC of an address: locally administered `02:02`, then its four bytes. */
export function macOf(address: string): string {
  const bytes = address.split(".").map((byte) => Number(byte).toString(16).padStart(2, "0"));
  return ["02", "02", ...bytes].join(":");
}
