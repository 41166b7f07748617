// Names of our ports that are not for pods; a name is unique in a database.

/** End of the patch pair on the integration bridge. */
export const PATCH_ON_INTEGRATION = "contivPatchTun";
/** End of the patch pair on the tunnel bridge. */
export const PATCH_ON_TUNNEL = "contivPatchInt";
/** The one tunnel port. */
export const VXLAN_PORT = "contivVxlan";
/** Default name of the tunnel bridge. */
export const TUNNEL_BRIDGE = "contivTunnel";
/** Kind of the uplink's port, in its `external_ids`. */
export const UPLINK_KIND = "uplink";
/** Kind of the port to the host's own stack. */
export const HOST_KIND = "host";
