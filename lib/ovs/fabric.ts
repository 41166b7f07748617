// Links from this host's bridge to other hosts: VLAN uplink and VXLAN tunnel. Both drivers share them:
// their changes are few, so ovs-vsctl and ovs-ofctl make them, as they make the bridge.
//
// Each call takes the whole desired state and may be repeated in every reconciliation: it reads, and writes
// only what differs, since each change of a row makes ovs-vswitchd walk all of its ports.

import { OvsTools } from "./tools/ovs_tools.ts";
import type { SwitchOptions } from "./switch.ts";
import { KeyedQueue } from "../util/async/keyed_queue.ts";
import { VtepNeighbours } from "./tunnel/vtep_neighbours.ts";
import { setTunnel, type TunnelReport } from "./tunnel/tunnel.ts";
import { checkVtep, type VtepFault } from "./tunnel/vtep.ts";
import type { DesiredTunnel } from "./tunnel/desired_tunnel.ts";
import { HostNet } from "./host_net.ts";
import { flowCounts } from "./openflow/fabric_flow_counts.ts";
import { TUNNEL_BRIDGE } from "./bridge/port_names.ts";
import { type DesiredUplink, setUplink } from "./uplink/uplink.ts";

const LIMIT_MS = 8_000;

/** What a Fabric needs in addition to the options of its Switch. */
export interface FabricOptions extends SwitchOptions {
  /** @default "contivTunnel" */
  readonly tunnelBridge?: string;
  /** Path of the network namespace of ovs-vswitchd. @default the agent's own */
  readonly netns?: string;
}

/** Links to other hosts. Every call ends within its limit; calls are done one after another. */
export interface Fabric {
  /**
   * Creates, changes or (without `desired`) removes the uplink. Without tags it carries no traffic. The
   * link is brought up. Faults: not_found, usage, failed, conflict where the device is in use otherwise.
   */
  setUplink(desired: DesiredUplink | undefined): Promise<void>;
  /**
   * Creates, changes or (without `desired`) removes the tunnel. When it returns, the first frame to a
   * member arrives. Faults: usage, failed, conflict where bridge or ports belong to another owner.
   */
  setTunnel(desired: DesiredTunnel | undefined): Promise<TunnelReport>;
  /** Returns why tunnels cannot use this address, with the commands that fix it; undefined if they can. */
  checkVtep(localIp: string): Promise<VtepFault | undefined>;
  /** Makes NICs answer ARP for their own addresses only, until the next boot. Faults: failed. */
  setArpIgnore(nics: readonly string[]): Promise<void>;
  /** Returns how many flows both have, as text that can be compared with an earlier one. */
  flowCounts(): Promise<string>;
}

/** Opens the Fabric of a bridge that `ensureBridge` has created. Nothing has to be closed. */
export function openFabric(options: FabricOptions): Fabric {
  const { tunnelBridge = TUNNEL_BRIDGE, bridge, owner, rundir, limitMs = LIMIT_MS } = options;
  const tools = new OvsTools(options);
  const place = { bridge, tunnelBridge, owner };
  const host = new HostNet(options.netns);
  const tunnel = {
    tools,
    tunnelTools: new OvsTools({ ...options, bridge: tunnelBridge }),
    neighbours: new VtepNeighbours(rundir, host),
    place,
    policyVlans: options.policyVlans,
  };
  const queue = new KeyedQueue();
  const serialized = async <T>(work: (endMs: number) => Promise<T>): Promise<T> => {
    const endMs = performance.now() + limitMs;
    const end = await queue.acquire([bridge], endMs);
    return await work(endMs).finally(end);
  };
  return {
    setUplink: (desired) =>
      serialized((endMs) =>
        setUplink({ tools, host, place, policyVlans: options.policyVlans }, desired, endMs)
      ),
    setTunnel: (desired) => serialized((endMs) => setTunnel(tunnel, desired, endMs)),
    flowCounts: () => flowCounts({ rundir, bridge, tunnelBridge }, performance.now() + limitMs),
    setArpIgnore: (nics) => host.setArpIgnore(nics, performance.now() + limitMs),
    checkVtep: (ip) => checkVtep(ip, { tools, host, place, endMs: performance.now() + limitMs }),
  };
}
