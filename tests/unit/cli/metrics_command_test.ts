import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { METRICS, type MetricSpec } from "../../../lib/agent/metrics/metric_table.ts";
import { alertRules } from "../../../lib/cli/alert_rules.ts";
import { dashboardExpressions, grafanaDashboard } from "../../../lib/cli/grafana_dashboard.ts";
import { metrics } from "../../../lib/cli/metrics.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { fakeShell } from "./fake_shell.ts";

const TABLE: Readonly<Record<string, MetricSpec>> = METRICS;
const rules = alertRules().groups.flatMap((one) => one.rules);

/** Returns the names of the agent's metrics in an expression, histograms without what their lines add. */
function namesIn(expr: string): string[] {
  return [...expr.matchAll(/\b(k8contivnet_\w+|process_\w+)/g)].map(([name]) =>
    name.replace(/_(bucket|count|sum)$/, (suffix) => name in TABLE ? suffix : "")
  );
}

/** Returns the labels in an expression, with those that Prometheus adds left out. */
function labelsIn(expr: string): string[] {
  const listed = [...expr.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, list = ""]) =>
    list.split(/, */)
  );
  const compared = [...expr.matchAll(/(\w+)=~?"/g)].map(([, label = ""]) => label);
  return [...listed, ...compared].filter((one) => !["instance", "job", "le"].includes(one));
}

Deno.test("rules and dashboard name only metrics and labels that the agent has", () => {
  for (const expr of [...rules.map((one) => one.expr), ...dashboardExpressions()]) {
    const names = namesIn(expr);
    const unknown = names.filter((name) => !(name in TABLE));
    assertEquals(unknown, [], expr);
    const labels = new Set(names.flatMap((name) => TABLE[name]?.labels ?? []));
    assertEquals(labelsIn(expr).filter((label) => !labels.has(label)), [], expr);
  }
});

Deno.test("each alert has a severity, a summary and the way out, and names are unique", () => {
  for (const { alert, expr, labels, annotations } of rules) {
    assertMatch(alert, /^K8contivnet[A-Za-z]+$/);
    assertMatch(labels.severity, /^(critical|warning)$/);
    assert(annotations.summary.length > 10 && /\.$/.test(annotations.description), alert);
    // What the text names must be left in the result.
    for (const [, label = ""] of annotations.summary.matchAll(/\$labels\.(\w+)/g)) {
      assert(!/\bby \(/.test(expr) || new RegExp(`by \\([^)]*\\b${label}\\b`).test(expr), alert);
    }
  }
  assertEquals(new Set(rules.map((one) => one.alert)).size, rules.length);
});

Deno.test("the dashboard's panels do not overlap and have their ids and expressions", () => {
  const { panels } = grafanaDashboard() as {
    panels: { id: number; gridPos: { x: number; y: number; w: number; h: number } }[];
  };
  assertEquals(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Set<string>();
  for (const { gridPos: { x, y, w, h } } of panels) {
    assert(x + w <= 24);
    for (let column = x; column < x + w; column++) {
      for (let row = y; row < y + h; row++) {
        assert(!taken.has(`${column} ${row}`), `${column} ${row}`);
        taken.add(`${column} ${row}`);
      }
    }
  }
});

Deno.test("metrics prints the dashboard as JSON and the rules as YAML", async () => {
  const dashboard = fakeShell(["dashboard"], {});
  await metrics.run(dashboard);
  assertEquals(
    JSON.parse(dashboard.stdout.join("\n")),
    JSON.parse(JSON.stringify(grafanaDashboard())),
  );
  const printed = fakeShell(["rules"], {});
  await metrics.run(printed);
  assertEquals(printed.stdout.slice(0, 2), ["groups:", "  - name: k8contivnet"]);
  for (const words of [["rule"], ["rules", "x"]]) {
    await assertRejects(async () => await metrics.run(fakeShell(words, {})), Fault, "metrics got");
  }
});
