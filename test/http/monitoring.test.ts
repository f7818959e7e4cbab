import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp } from "../support/server/app.js";
import { send } from "../support/http/raw-request.js";

const deploy = join(import.meta.dirname, "../../deploy");
const rules = join(deploy, "prometheus/alerts.yaml");
const promtool = ["/usr/bin/promtool", "/usr/local/bin/promtool"].find((path) => existsSync(path));

let app: TestApp;
const names = new Set<string>();
beforeAll(async () => {
  app = await startTestApp();
  const { text } = await send(app, "GET", "/metrics");
  for (const [, name, type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    if (name === undefined) continue;
    const suffixes = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    for (const suffix of suffixes) names.add(name + suffix);
  }
});
afterAll(() => app.close());

/** The metrics used in a query. */
const metricsIn = (query: string): string[] =>
  query.match(/\b(?:omoi|http|nodejs|process)_[a-z0-9_]+/g) ?? [];

test("each metric of the alert rules exists", async () => {
  const queries = await readFile(rules, "utf8");
  const used = metricsIn(queries.replaceAll(/^ *(?:summary|description|- name):.*$/gm, ""));
  expect(used.length).toBeGreaterThan(8);
  expect(used.filter((name) => !names.has(name))).toEqual([]);
});

test("each metric of the dashboard exists", async () => {
  const dashboard = JSON.parse(await readFile(join(deploy, "grafana/omoi.json"), "utf8")) as {
    panels: { title: string; targets: { expr: string }[] }[];
  };
  const used = dashboard.panels.flatMap(({ targets }) =>
    targets.flatMap(({ expr }) => metricsIn(expr)),
  );
  expect(
    dashboard.panels.every(({ targets }) =>
      targets.every(({ expr }) => metricsIn(expr).length > 0),
    ),
  ).toBe(true);
  expect(used.filter((name) => !names.has(name))).toEqual([]);
});

test.skipIf(promtool === undefined)(
  `Prometheus accepts the alert rules and the metrics${promtool ? "" : " (skipped: promtool is not installed)"}`,
  async () => {
    const checked = spawnSync(promtool as string, ["check", "rules", rules], { encoding: "utf8" });
    expect([checked.status, checked.stderr]).toEqual([0, ""]);
    const { text } = await send(app, "GET", "/metrics");
    const linted = spawnSync(promtool as string, ["check", "metrics"], {
      input: text,
      encoding: "utf8",
    });
    // Name warnings are expected for Node's metrics.
    expect(linted.stderr).not.toMatch(/error while linting|parse/i);
  },
);
