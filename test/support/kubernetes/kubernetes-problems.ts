import { readFileSync } from "node:fs";
import { join } from "node:path";
import { semanticProblems } from "./semantic-problems.js";
import {
  isDnsLabel,
  isDnsSubdomain,
  isLabelKey,
  isQuantity,
  labelProblems,
} from "./kubernetes-syntax.js";
import type { FieldType, Schemas } from "./schemas.js";

const schemas = JSON.parse(
  readFileSync(join(import.meta.dirname, "kubernetes-1.32.json"), "utf8"),
) as Schemas;

const API = "io.k8s.api.";

/** Returns the schema of an object's kind. */
function schemaOf(apiVersion: string, kind: string): string | undefined {
  const [group = "", version] = apiVersion.includes("/")
    ? apiVersion.split("/")
    : ["core", apiVersion];
  const name = `${API}${group.split(".")[0]}.${version}.${kind}`;
  return name in schemas ? name : undefined;
}

/**
 * Returns the reasons for which an API server of Kubernetes 1.32 would refuse to create an object, each with the path of
 * the field: unknown fields, wrong types, missing fields, and the syntax of quantities, names, labels and networks.
 */
export function kubernetesProblems(object: unknown): string[] {
  if (!isObject(object)) return ["the document is not an object"];
  const { apiVersion, kind } = object;
  if (typeof apiVersion !== "string" || typeof kind !== "string") {
    return ["apiVersion and kind are missing"];
  }
  const schema = schemaOf(apiVersion, kind);
  if (schema === undefined) return [`${apiVersion} ${kind} is not in the schemas`];
  const problems = [
    ...valueProblems(object, { ref: schema }, ""),
    ...metadataProblems(object["metadata"], kind),
  ];
  // The rest relies on the types.
  return problems.length > 0 ? problems : semanticProblems(kind, object);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function valueProblems(value: unknown, type: FieldType, path: string): string[] {
  if (typeof type === "string") return scalarProblems(value, type, path);
  if ("ref" in type) return namedProblems(value, type.ref, path);
  if ("list" in type) {
    if (!Array.isArray(value)) return [`${path} is not a list`];
    return value.flatMap((item, index) => valueProblems(item, type.list, `${path}[${index}]`));
  }
  if (!isObject(value)) return [`${path} is not a map`];
  return Object.entries(value).flatMap(([key, item]) =>
    valueProblems(item, type.map, `${path}.${key}`),
  );
}

function namedProblems(value: unknown, name: string, path: string): string[] {
  const schema = schemas[name];
  if (schema === undefined) throw new Error(`no schema ${name}`);
  if (name.endsWith(".Quantity")) return isQuantity(value) ? [] : [`${path} is not a quantity`];
  if (name.endsWith(".IntOrString")) {
    return typeof value === "string" || Number.isInteger(value)
      ? []
      : [`${path} is neither a number nor a string`];
  }
  if (name.endsWith(".Time")) {
    return typeof value === "string" && !Number.isNaN(Date.parse(value))
      ? []
      : [`${path} is not a time`];
  }
  if (typeof schema === "string") return scalarProblems(value, schema, path);
  if (!isObject(value)) return [`${path || "the document"} is not an object`];
  const at = (field: string): string => (path === "" ? field : `${path}.${field}`);
  const missing = (schema.required ?? []).filter(
    (field) => value[field] === undefined || value[field] === null,
  );
  return [
    ...missing.map((field) => `${at(field)} is missing`),
    ...Object.entries(value).flatMap(([field, item]) => {
      const type = Object.hasOwn(schema.fields, field) ? schema.fields[field] : undefined;
      if (type === undefined) return [`${at(field)} is unknown`];
      // An API server drops absent values.
      return item === undefined || item === null ? [] : valueProblems(item, type, at(field));
    }),
  ];
}

function scalarProblems(value: unknown, type: string, path: string): string[] {
  switch (type) {
    case "string":
      return typeof value === "string" ? [] : [`${path} is not a string`];
    case "numeric":
      return Number.isInteger(value) ? [] : [`${path} is not a whole number`];
    case "boolean":
      return typeof value === "boolean" ? [] : [`${path} is not a boolean`];
    default:
      return [];
  }
}

function metadataProblems(metadata: unknown, kind: string): string[] {
  if (!isObject(metadata)) return ["metadata is missing"];
  const { name, generateName, labels, annotations } = metadata;
  const named = name ?? generateName;
  if (typeof named !== "string") return ["metadata.name is missing"];
  const isName = kind === "Service" || kind === "Namespace" ? isDnsLabel : isDnsSubdomain;
  const problems = isName(named) ? [] : [`metadata.name "${named}" is not a DNS name`];
  // A longer name of a Job is no value of the label of its pods.
  if (kind === "Job" && named.length > 63) problems.push("metadata.name is longer than 63");
  problems.push(...labelProblems(labels, "metadata.labels"));
  if (isObject(annotations)) {
    for (const key of Object.keys(annotations)) {
      if (!isLabelKey(key)) problems.push(`metadata.annotations: "${key}" is not a key`);
    }
  }
  return problems;
}
