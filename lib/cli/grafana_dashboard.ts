// A dashboard for Grafana (schema version 39, Grafana 10 and later) on the agents' metrics. Pure.

/** One panel of the dashboard. */
interface PanelSpec {
  readonly title: string;
  readonly description?: string;
  readonly type: "timeseries" | "stat" | "bargauge" | "table";
  /** Grafana's name. */
  readonly unit: string;
  /** Expressions with their legends. */
  readonly queries: readonly (readonly [expr: string, legend: string])[];
}

const AT = 'instance=~"$instance"';
const RATE = "$__rate_interval";

const quantile = (q: number, metric: string, by: string) =>
  `histogram_quantile(${q}, sum by (${by}, le) (rate(${metric}_bucket{${AT}}[${RATE}])))`;

const ROWS: readonly (readonly [title: string, panels: readonly PanelSpec[]])[] = [
  ["Hosts", [
    {
      ...{ title: "Agents that answer requests", type: "stat", unit: "short" },
      queries: [[`sum(k8contivnet_agent_ready{${AT}})`, "ready"]],
    },
    {
      ...{ title: "Pods' interfaces", type: "stat", unit: "short" },
      queries: [[`sum by (state) (k8contivnet_attachments{${AT}})`, "{{state}}"]],
    },
    {
      ...{ title: "Version", type: "stat", unit: "short" },
      queries: [[`count by (version) (k8contivnet_build_info{${AT}})`, "{{version}}"]],
    },
    {
      ...{ title: "Pods that nothing names", type: "stat", unit: "short" },
      queries: [[`sum(k8contivnet_unmatched_pods{${AT}})`, "unmatched"]],
    },
  ]],
  ["Pods", [
    {
      ...{ title: "Attach: duration", type: "timeseries", unit: "s" },
      queries: [0.5, 0.99].map((q) => [
        quantile(q, "k8contivnet_attach_duration_seconds", "result"),
        `${q * 100} % {{result}}`,
      ]),
    },
    {
      ...{ title: "Attach: 99 % of each phase", type: "timeseries", unit: "s" },
      queries: [[
        quantile(0.99, "k8contivnet_attach_phase_duration_seconds", "phase"),
        "{{phase}}",
      ]],
    },
    {
      ...{ title: "Attaches and detaches", type: "timeseries", unit: "ops" },
      queries: ["attach", "detach"].map((one) => [
        `sum by (result) (rate(k8contivnet_${one}_duration_seconds_count{${AT}}[${RATE}]))`,
        `${one} {{result}}`,
      ]),
    },
    {
      ...{ title: "Detach: 99 % of each phase", type: "timeseries", unit: "s" },
      queries: [[
        quantile(0.99, "k8contivnet_detach_phase_duration_seconds", "phase"),
        "{{phase}}",
      ]],
    },
    {
      ...{ title: "CNI calls", type: "timeseries", unit: "ops" },
      queries: [[
        `sum by (command, result) (rate(k8contivnet_cni_call_duration_seconds_count{${AT}}[${RATE}]))`,
        "{{command}} {{result}}",
      ]],
    },
    {
      ...{ title: "Interfaces by network", type: "timeseries", unit: "short" },
      queries: [[
        `sum by (tenant, network) (k8contivnet_attachments{${AT}})`,
        "{{tenant}}/{{network}}",
      ]],
    },
  ]],
  ["Addresses", [
    {
      ...{ title: "Use of the pools", type: "bargauge", unit: "percentunit" },
      description: "The same on all hosts of a store.",
      queries: [[
        `max by (tenant, network) (k8contivnet_ipam_allocations_in_use{${AT}} / ` +
        `k8contivnet_ipam_pool_size{${AT}})`,
        "{{tenant}}/{{network}}",
      ]],
    },
    {
      ...{ title: "Addresses held for deleted pods", type: "timeseries", unit: "short" },
      queries: [[
        `max by (tenant, network) (k8contivnet_ipam_allocations_held{${AT}})`,
        "{{tenant}}/{{network}}",
      ]],
    },
  ]],
  ["Policies and switch", [
    {
      ...{ title: "Packets dropped by policies", type: "timeseries", unit: "pps" },
      queries: [[
        `sum by (source, policy) (rate(k8contivnet_policy_dropped_packets_total{${AT}}[${RATE}]))`,
        "{{policy}} ({{source}})",
      ]],
    },
    {
      ...{ title: "Repairs", type: "timeseries", unit: "ops" },
      queries: [[
        `sum by (kind) (rate(k8contivnet_repairs_total{${AT}}[${RATE}]))`,
        "{{kind}}",
      ]],
    },
    {
      ...{ title: "What does not work", type: "timeseries", unit: "short" },
      queries: [
        [`1 - k8contivnet_policies_enforced{${AT}}`, "policies at {{instance}}"],
        [`1 - k8contivnet_gateways_ready{${AT}}`, "gateways at {{instance}}"],
        [`1 - k8contivnet_ovs_connected{${AT}}`, "{{connection}} at {{instance}}"],
        [`k8contivnet_ovs_interface_errors{${AT}}`, "interface errors at {{instance}}"],
      ],
    },
    {
      ...{ title: "Reconciliations: 99 %", type: "timeseries", unit: "s" },
      queries: [[
        quantile(0.99, "k8contivnet_reconcile_duration_seconds", "instance"),
        "{{instance}}",
      ]],
    },
    {
      ...{ title: "Events", type: "timeseries", unit: "ops" },
      queries: [[`sum by (kind) (rate(k8contivnet_events_total{${AT}}[${RATE}]))`, "{{kind}}"]],
    },
    {
      ...{ title: "Open vSwitch: connections opened again", type: "timeseries", unit: "ops" },
      queries: [[
        `rate(k8contivnet_ovs_reconnects_total{${AT}}[${RATE}])`,
        "{{connection}} at {{instance}}",
      ]],
    },
  ]],
  ["Store and API server", [
    {
      ...{ title: "Reachable", type: "timeseries", unit: "short" },
      queries: [
        [`k8contivnet_store_up{${AT}}`, "store from {{instance}}"],
        [`k8contivnet_kube_api_up{${AT}}`, "API server from {{instance}}"],
      ],
    },
    {
      ...{ title: "Store: 99 % of requests", type: "timeseries", unit: "s" },
      queries: [[
        quantile(0.99, "k8contivnet_store_request_duration_seconds", "operation"),
        "{{operation}}",
      ]],
    },
    {
      ...{ title: "Store: lag of the watch", type: "timeseries", unit: "s" },
      queries: [
        [`k8contivnet_store_watch_lag_seconds{${AT}}`, "now at {{instance}}"],
        [
          quantile(0.99, "k8contivnet_store_watch_delay_seconds", "instance"),
          "99 % at {{instance}}",
        ],
      ],
    },
    {
      ...{ title: "Documents and pending writes", type: "timeseries", unit: "short" },
      queries: [
        [`k8contivnet_store_documents{${AT}}`, "documents at {{instance}}"],
        [`k8contivnet_store_pending_writes{${AT}}`, "pending at {{instance}}"],
        [`k8contivnet_store_unreadable_documents{${AT}}`, "unreadable at {{instance}}"],
      ],
    },
  ]],
  ["Agent", [
    {
      ...{ title: "Memory", type: "timeseries", unit: "bytes" },
      queries: [[
        `process_resident_memory_bytes{${AT}} and on (instance) k8contivnet_agent_ready`,
        "{{instance}}",
      ]],
    },
    {
      ...{ title: "Processor", type: "timeseries", unit: "percentunit" },
      queries: [[
        `rate(process_cpu_seconds_total{${AT}}[${RATE}]) and on (instance) k8contivnet_agent_ready`,
        "{{instance}}",
      ]],
    },
  ]],
];

const [WIDTH, HEIGHT] = [24, 8];

/** Returns all expressions of the dashboard. */
export function dashboardExpressions(): string[] {
  return ROWS.flatMap(([, panels]) =>
    panels.flatMap(({ queries }) => queries.map(([expr]) => expr))
  );
}

/** Returns the dashboard as Grafana imports it. */
export function grafanaDashboard() {
  const panels: unknown[] = [];
  let y = 0;
  for (const [title, specs] of ROWS) {
    panels.push({
      ...{ id: panels.length + 1, type: "row", title },
      gridPos: { x: 0, y: y++, w: WIDTH, h: 1 },
    });
    const columns = specs.every(({ type }) => type === "stat") ? specs.length : 2;
    const [w, h] = [WIDTH / columns, columns > 2 ? HEIGHT / 2 : HEIGHT];
    for (const [at, spec] of specs.entries()) {
      const gridPos = { x: (at % columns) * w, y: y + Math.floor(at / columns) * h, w, h };
      panels.push(panelOf(panels.length + 1, spec, gridPos));
    }
    y += Math.ceil(specs.length / columns) * h;
  }
  return {
    ...{ uid: "k8contivnet", title: "k8contivnet", tags: ["k8contivnet"], schemaVersion: 39 },
    ...{ editable: true, refresh: "30s", time: { from: "now-1h", to: "now" } },
    templating: { list: [DATASOURCE, INSTANCE] },
    panels,
  };
}

const SOURCE = { type: "prometheus", uid: "${datasource}" };

const DATASOURCE = {
  ...{ name: "datasource", label: "Data source", type: "datasource", query: "prometheus" },
};

const INSTANCE = {
  ...{ name: "instance", label: "Host", type: "query", datasource: SOURCE, refresh: 2 },
  ...{ query: "label_values(k8contivnet_build_info, instance)", multi: true, includeAll: true },
  current: { text: "All", value: "$__all" },
};

function panelOf(
  id: number,
  { title, description, type, unit, queries }: PanelSpec,
  gridPos: Readonly<Record<string, number>>,
): unknown {
  return {
    ...{ id, title, type, gridPos, datasource: SOURCE },
    ...description === undefined ? {} : { description },
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    targets: queries.map(([expr, legendFormat], at) => ({
      ...{ refId: String.fromCharCode(65 + at), expr, legendFormat, datasource: SOURCE },
      instant: type === "stat" || type === "bargauge",
    })),
  };
}
