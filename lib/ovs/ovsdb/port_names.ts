// Names of ports that are ours and no pod's; a database has each name once.

/** End of the patch pair on the integration bridge. */
export const PATCH_ON_INTEGRATION = "contivPatchTun";
/** End of the patch pair on the tunnel bridge. */
export const PATCH_ON_TUNNEL = "contivPatchInt";
/** The one tunnel port. */
export const VXLAN_PORT = "contivVxlan";
/** The tunnel bridge, unless told otherwise. */
export const TUNNEL_BRIDGE = "contivTunnel";
/** What `external_ids` says of the uplink's port. */
export const UPLINK_KIND = "uplink";
