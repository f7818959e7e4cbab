/** The values of the chart and their schema, which Helm checks before it renders. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { valuesProblems, valuesSchema, type ValueSchema } from "../support/helm/values-problems.js";
import { root } from "../support/server/built-files.js";

interface Values {
  [name: string]: unknown;
}

const values = parse(readFileSync(join(root, "deploy/helm/omoi/values.yaml"), "utf8")) as Values;

/** Values of a parent chart, and limits that the default resources do not have. */
const UNSET = new Set(["global", "resources.limits"]);

/** All parts of the schema with the paths of their values. */
function partsOf(schema: ValueSchema, path: readonly string[] = []): [string[], ValueSchema][] {
  const { properties = {}, additionalProperties, items } = schema;
  return [
    [[...path], schema],
    ...Object.entries(properties).flatMap(([name, part]) => partsOf(part, [...path, name])),
    ...(typeof additionalProperties === "object"
      ? partsOf(additionalProperties, [...path, "ANY"])
      : []),
    ...(items === undefined ? [] : partsOf(items, [...path, "0"])),
  ];
}

const parts = partsOf(valuesSchema);
/** The parts whose path leads to a value of its own. */
const named = parts.filter(([path]) => !path.some((name) => name === "ANY" || name === "0"));

/** Returns the default values with another one at a path. */
function withValue(path: readonly string[], value: unknown): Values {
  const changed = structuredClone(values);
  let place = changed;
  for (const name of path.slice(0, -1)) place = place[name] as Values;
  place[path.at(-1) as string] = value;
  return changed;
}

test("each value of values.yaml is valid, and in the schema with a type and a description", () => {
  expect(valuesProblems(values)).toEqual([]);
  for (const [path, { type, description = "" }] of parts.slice(1)) {
    if (path.at(-1) === "0" && type === "string") continue;
    expect([path, type !== undefined, description !== ""]).toEqual([path, true, true]);
  }
  for (const [path, { properties, additionalProperties }] of named) {
    if (properties === undefined) continue;
    const given = path.reduce((place, name) => place[name] as Values, values);
    const known = Object.keys(properties).filter((name) => !UNSET.has([...path, name].join(".")));
    expect([path, Object.keys(given)]).toEqual([path, known]);
    expect([path, additionalProperties]).toEqual([path, false]);
  }
});

test("a value of another type, and an unknown one, is refused at its path", () => {
  for (const [path, { type }] of named.slice(1)) {
    const at = path.join(".");
    const wrong = type === "string" ? 1 : "wrong";
    expect([at, valuesProblems(withValue(path, wrong))]).toEqual([
      at,
      [expect.stringContaining(`${at}: `)],
    ]);
  }
  for (const [path, { properties }] of named) {
    if (properties === undefined) continue;
    const problems = valuesProblems(withValue([...path, "unknown"], 1));
    expect([path, problems]).toEqual([path, [expect.stringMatching(/unknown/)]]);
  }
});

test.each<[value: string, wrong: unknown]>([
  ["replicas", -1],
  ["replicas", 1.5],
  ["publicUrl", "omoi.example.com"],
  ["publicUrl", "https://example.com/omoi"],
  ["image.pullPolicy", "Sometimes"],
  ["image.pullSecrets", [{ name: "pull" }]],
  ["secrets", { OMOI_SMTP_URL: "smtp://user:password@mail.example.com" }],
  ["secrets", { OMOI_SMTP_URL: { name: "omoi" } }],
  ["secrets", { OMOI_SMTP_URL: { name: "omoi", key: "smtp url" } }],
  ["secrets", { "omoi smtp": { name: "omoi", key: "smtp-url" } }],
  ["env", { "OMOI-RUN-LOG-DAYS": 7 }],
  ["env", { OMOI_RUN_LOG_DAYS: [7] }],
  ["persistence.size", "20 GB"],
  ["extraVolumes", [{ configMap: { name: "ca" } }]],
  ["extraVolumeMounts", [{ name: "ca" }]],
  ["startupMinutes", 0],
  ["terminationGracePeriodSeconds", 5],
  ["kubernetes.maxRuns", 1001],
  ["kubernetes.namespace", "Runs"],
])("%s is not %j", (path, wrong) => {
  expect(valuesProblems(withValue(path.split("."), wrong))).not.toEqual([]);
});

test.each<[value: string, right: unknown]>([
  ["replicas", 0],
  ["publicUrl", "https://omoi.example.com/"],
  ["secrets", { OMOI_SMTP_URL: { name: "omoi", key: "smtp-url" } }],
  ["env", { OMOI_RUN_LOG_DAYS: 7, OMOI_REGISTRATION: "open", NODE_USE_ENV_PROXY: "1" }],
  ["extraVolumes", [{ name: "ca", configMap: { name: "ca" } }]],
  ["extraVolumeMounts", [{ name: "ca", mountPath: "/etc/omoi", readOnly: true }]],
  ["kubernetes.maxRuns", 1000],
  ["resources.limits", { memory: "2Gi", cpu: 2 }],
  ["global", { imageRegistry: "registry.example.com" }],
])("%s can be %j", (path, right) => {
  expect(valuesProblems(withValue(path.split("."), right))).toEqual([]);
});
