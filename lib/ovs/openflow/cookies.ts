// Cookies of our flows: "k8" in front, so that they are found among other programs' flows; then the
// kind; then a number, such as the port's. Each part of the agent syncs the flows of its own kind.

/** Cookies that have the bits under `mask` in common with `value`. */
export interface CookieSet {
  readonly value: bigint;
  readonly mask: bigint;
}

/** Cookie of the bridge's base flow, which drops. */
export const BASE_COOKIE = 0x6b38_0000_0000_0000n;
const ANTISPOOF_COOKIE = 0x6b38_0001_0000_0000n;

/** Cookies of the base flow and of the anti-spoofing flows of all ports. */
export const ANTISPOOF_COOKIES: CookieSet = { value: BASE_COOKIE, mask: 0xffff_fffe_0000_0000n };

/** Cookies of the flows between this host's bridges and to other hosts; outside ANTISPOOF_COOKIES. */
export const LINK_COOKIES = {
  uplink: kindOf(0x6b38_0002n),
  patch: kindOf(0x6b38_0003n),
  tunnel: kindOf(0x6b38_0004n),
} as const;

/** Cookies of the policy tables; the lower half is the number of a policy. */
export const POLICY_COOKIES: CookieSet = kindOf(0x6b38_0006n);

/** Cookies of the flows of distributed gateways, on both bridges; outside of all others. */
export const REACH_COOKIES: CookieSet = kindOf(0x6b38_0007n);

/**
 * Cookies of flows that the tunnel bridge learns: the kind's last three digits are the local tag, the
 * lower half is the VNI.
 */
export const LEARNED_COOKIES: CookieSet = {
  value: 0x6b38_5000_0000_0000n,
  mask: 0xffff_f000_0000_0000n,
};

/** Mask under which a cookie matches only itself. */
export const EXACT_COOKIE = 0xffff_ffff_ffff_ffffn;

/** Returns the cookie of all anti-spoofing flows of the port with OpenFlow number `ofport`. */
export function antispoofCookie(ofport: number): bigint {
  return ANTISPOOF_COOKIE | BigInt(ofport);
}

function kindOf(kind: bigint): CookieSet {
  return { value: kind << 32n, mask: 0xffff_ffff_0000_0000n };
}
