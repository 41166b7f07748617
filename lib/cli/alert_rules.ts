// Alert rules for Prometheus on the agents' metrics: each says what is wrong, and the way out. Pure.

/** One alert rule, as Prometheus reads it. */
export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: { readonly severity: "critical" | "warning" };
  readonly annotations: { readonly summary: string; readonly description: string };
}

const HOST = "{{ $labels.instance }}";
const NETWORK = "{{ $labels.tenant }}/{{ $labels.network }}";

const CRITICAL: readonly (readonly string[])[] = [
  [
    "K8contivnetAgentDown",
    'up{job=~".*k8contivnet.*"} == 0',
    "5m",
    `The agent at ${HOST} does not answer`,
    "Running pods stay connected, new ones are not set up. See the log of its service, and k8contivnet doctor.",
  ],
  [
    "K8contivnetAgentNotReady",
    "k8contivnet_agent_ready == 0",
    "5m",
    `The agent at ${HOST} is starting for minutes`,
    "No pod is set up there. /readyz says what it waits for.",
  ],
  [
    "K8contivnetOpenVSwitchDisconnected",
    "min by (instance) (k8contivnet_ovs_connected) == 0",
    "2m",
    `The agent at ${HOST} has lost Open vSwitch`,
    "No pod is set up there. Start ovsdb-server and ovs-vswitchd, and see k8contivnet doctor.",
  ],
  [
    "K8contivnetPoliciesNotEnforced",
    "k8contivnet_policies_enforced == 0",
    "2m",
    `Policies are not in force at ${HOST}`,
    "The traffic concerned is denied. k8contivnet status says why.",
  ],
  [
    "K8contivnetPoolFull",
    "max by (tenant, network) (k8contivnet_ipam_allocations_in_use >= k8contivnet_ipam_pool_size) > 0",
    "5m",
    `The address pool of ${NETWORK} is full`,
    "New pods of this network get no address. See k8contivnet ipam show, and enlarge the subnet.",
  ],
];

const WARNING: readonly (readonly string[])[] = [
  [
    "K8contivnetAgentRestarts",
    'changes(process_start_time_seconds{job=~".*k8contivnet.*"}[1h]) > 3',
    "0m",
    `The agent at ${HOST} keeps restarting`,
    "See the log of its service for why it ends.",
  ],
  [
    "K8contivnetPoolNearlyFull",
    "max by (tenant, network) (k8contivnet_ipam_allocations_in_use / k8contivnet_ipam_pool_size) > 0.9",
    "15m",
    `The address pool of ${NETWORK} is {{ $value | humanizePercentage }} full`,
    "See k8contivnet ipam show for who has the addresses and which are held.",
  ],
  [
    "K8contivnetAttachFailing",
    'sum by (instance) (rate(k8contivnet_attach_duration_seconds_count{result="failed"}[10m])) / ' +
    "sum by (instance) (rate(k8contivnet_attach_duration_seconds_count[10m])) > 0.1",
    "10m",
    `{{ $value | humanizePercentage }} of the set-ups at ${HOST} fail`,
    "k8contivnet events refused says why.",
  ],
  [
    "K8contivnetAttachSlow",
    "histogram_quantile(0.99, sum by (instance, le) " +
    '(rate(k8contivnet_attach_duration_seconds_bucket{result="ready"}[10m]))) > 5',
    "15m",
    `Pods at ${HOST} wait {{ $value | humanizeDuration }} for their network`,
    "k8contivnet_attach_phase_duration_seconds shows which phase takes long.",
  ],
  [
    "K8contivnetStoreUnreachable",
    "k8contivnet_store_up == 0",
    "5m",
    `The agent at ${HOST} does not reach its store`,
    "Pods stay connected; intents are not applied. See k8contivnet status, and etcd's own health.",
  ],
  [
    "K8contivnetStoreWatchLagging",
    "k8contivnet_store_watch_lag_seconds > 30",
    "5m",
    `The store's watch at ${HOST} is {{ $value | humanizeDuration }} behind`,
    "The host acts on an old state. See the load of etcd and of the host.",
  ],
  [
    "K8contivnetWritesPending",
    "k8contivnet_store_pending_writes > 0",
    "15m",
    `{{ $value }} writes of ${HOST} wait for the store`,
    "They are lost if the host is. Make the store reachable.",
  ],
  [
    "K8contivnetDocumentsUnreadable",
    "k8contivnet_store_unreadable_documents > 0",
    "15m",
    `The agent at ${HOST} cannot read {{ $value }} documents of its store`,
    "A newer version or another program wrote them: see k8contivnet status.",
  ],
  [
    "K8contivnetApiServerUnreachable",
    "k8contivnet_kube_api_up == 0",
    "10m",
    `The agent at ${HOST} does not reach the API server`,
    "The last known policies stay in force. See k8contivnet kube status.",
  ],
  [
    "K8contivnetOpenVSwitchReconnecting",
    "sum by (instance) (increase(k8contivnet_ovs_reconnects_total[1h])) > 5",
    "0m",
    `Open vSwitch at ${HOST} keeps closing connections`,
    "See whether ovs-vswitchd or ovsdb-server restarts.",
  ],
  [
    "K8contivnetInterfaceErrors",
    "k8contivnet_ovs_interface_errors > 0",
    "5m",
    `Open vSwitch at ${HOST} reports errors of {{ $value }} interfaces`,
    "k8contivnet status lists them.",
  ],
  [
    "K8contivnetGatewaysNotReady",
    "k8contivnet_gateways_ready == 0",
    "5m",
    `Pods at ${HOST} do not reach all that their networks may reach`,
    "k8contivnet status says why.",
  ],
  [
    "K8contivnetRepairs",
    "sum by (instance) (increase(k8contivnet_repairs_total[1h])) > 20",
    "0m",
    `Something at ${HOST} keeps changing what the agent repairs`,
    "k8contivnet events repair shows what; look for another program that changes links, ports or flows.",
  ],
  [
    "K8contivnetScrapeIncomplete",
    "sum by (instance, part) (increase(k8contivnet_scrape_errors_total[15m])) > 3",
    "0m",
    `Scrapes of ${HOST} are without {{ $labels.part }}`,
    "The switch or the host is too slow; other metrics are right.",
  ],
];

/** Returns the content of a rule file. */
export function alertRules() {
  const rules = [
    ...CRITICAL.map((row) => ruleOf("critical", row)),
    ...WARNING.map((row) => ruleOf("warning", row)),
  ];
  return { groups: [{ name: "k8contivnet", rules }] };
}

function ruleOf(
  severity: AlertRule["labels"]["severity"],
  [alert = "", expr = "", wait = "", summary = "", description = ""]: readonly string[],
): AlertRule {
  return { alert, expr, for: wait, labels: { severity }, annotations: { summary, description } };
}
