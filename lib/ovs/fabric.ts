// What leads from this host's bridge to other hosts: VLAN uplink and VXLAN overlay. Both drivers share
// it: its changes are few, so ovs-vsctl and ovs-ofctl make them, as they make the bridge.
//
// Each call takes the whole wish and may be repeated at every look: it reads, and writes only what
// differs, since each change of a row makes ovs-vswitchd walk all of its ports.

import { OvsTools } from "./transport/ovs_tools.ts";
import type { SwitchOptions } from "./switch.ts";
import { KeyedQueue } from "../util/async/keyed_queue.ts";
import { VtepNeighbours } from "./tunnel/vtep_neighbours.ts";
import { setTunnel, type TunnelReport } from "./tunnel/tunnel.ts";
import { checkVtep, type VtepFault } from "./tunnel/vtep.ts";
import type { DesiredTunnel } from "./tunnel/desired_tunnel.ts";
import { HostNet } from "./host_net.ts";
import { flowCounts } from "./openflow/fabric_flow_counts.ts";
import { TUNNEL_BRIDGE } from "./ovsdb/port_names.ts";
import { type DesiredUplink, setUplink } from "./uplink/uplink.ts";

const LIMIT_MS = 8_000;

/** What a Fabric must know beside its Switch. */
export interface FabricOptions extends SwitchOptions {
  /** @default "contivTunnel" */
  readonly tunnelBridge?: string;
  /** Path of the network namespace that ovs-vswitchd runs in; our own when absent. */
  readonly netns?: string;
}

/** Ways to other hosts. Every call ends within its limit; calls are done one after another. */
export interface Fabric {
  /**
   * Makes the uplink as wished; without a wish there is none. No tags, no traffic. The link is
   * brought up. Faults: not_found, conflict where the device is somebody else's, usage, failed.
   */
  setUplink(wish: DesiredUplink | undefined): Promise<void>;
  /**
   * Makes the overlay as wished; without a wish there is none. When it returns, the first frame to
   * a member arrives. Faults: conflict where bridge or ports are somebody else's, usage, failed.
   */
  setOverlay(wish: DesiredTunnel | undefined): Promise<TunnelReport>;
  /** Returns why tunnels cannot use this address, with the commands that mend it; undefined if they can. */
  checkVtep(localIp: string): Promise<VtepFault | undefined>;
  /** Returns how many flows of both there are, in words to be compared with earlier ones. */
  flowCounts(): Promise<string>;
}

/** Opens the Fabric of a bridge that `ensureBridge` has made. Nothing is to be closed. */
export function openFabric(options: FabricOptions): Fabric {
  const { tunnelBridge = TUNNEL_BRIDGE, bridge, owner, rundir, limitMs = LIMIT_MS } = options;
  const tools = new OvsTools(options);
  const place = { bridge, tunnelBridge, owner };
  const host = new HostNet(options.netns);
  const overlay = {
    tools,
    tunnel: new OvsTools({ ...options, bridge: tunnelBridge }),
    neighbours: new VtepNeighbours(rundir, host),
    place,
    policed: options.policyVlans,
  };
  const turns = new KeyedQueue();
  const inTurn = async <T>(work: (endMs: number) => Promise<T>): Promise<T> => {
    const endMs = performance.now() + limitMs;
    const end = await turns.acquire([bridge], endMs);
    return await work(endMs).finally(end);
  };
  return {
    setUplink: (wish) =>
      inTurn((endMs) =>
        setUplink({ tools, host, place, policed: options.policyVlans }, wish, endMs)
      ),
    setOverlay: (wish) => inTurn((endMs) => setTunnel(overlay, wish, endMs)),
    flowCounts: () => flowCounts({ rundir, bridge, tunnelBridge }, performance.now() + limitMs),
    checkVtep: (ip) => checkVtep(ip, { tools, host, place, endMs: performance.now() + limitMs }),
  };
}
