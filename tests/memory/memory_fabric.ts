// Uplink and tunnels in memory: what they were set to last.

import type { Fabric } from "../../lib/ovs/fabric.ts";
import type { DesiredTunnel } from "../../lib/ovs/tunnel/desired_tunnel.ts";
import type { TunnelReport } from "../../lib/ovs/tunnel/tunnel.ts";
import type { VtepFault } from "../../lib/ovs/tunnel/vtep.ts";
import type { DesiredUplink } from "../../lib/ovs/uplink/uplink.ts";
import { CallRecorder } from "./call_recorder.ts";

/** A Fabric without Open vSwitch. */
export class MemoryFabric implements Fabric {
  /** The calls so far; also where a test injects faults. */
  readonly recorder = new CallRecorder<Fabric>();
  uplink: DesiredUplink | undefined;
  overlay: DesiredTunnel | undefined;
  /** Which tunnel addresses setTunnel() finds of no use. */
  report: TunnelReport = { unreachable: [], own: [] };
  /** What is wrong with the tunnel address. */
  vtepFault: VtepFault | undefined;
  /** How many flows there are, as text. */
  counts = "1 1";

  setUplink(desired: DesiredUplink | undefined): Promise<void> {
    return this.recorder.run("setUplink", [desired], () => void (this.uplink = desired));
  }

  setTunnel(desired: DesiredTunnel | undefined): Promise<TunnelReport> {
    return this.recorder.run("setTunnel", [desired], () => {
      this.overlay = desired;
      return this.report;
    });
  }

  checkVtep(localIp: string): Promise<VtepFault | undefined> {
    return this.recorder.run("checkVtep", [localIp], () => this.vtepFault);
  }

  /** NICs that answer ARP for the tunnel address are its only fault, until they are silenced. */
  setArpIgnore(nics: readonly string[]): Promise<void> {
    return this.recorder.run("setArpIgnore", [nics], () => void (this.vtepFault = undefined));
  }

  flowCounts(): Promise<string> {
    return this.recorder.run("flowCounts", [], () => this.counts);
  }
}
