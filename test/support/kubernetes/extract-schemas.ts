/** Writes kubernetes-1.32.json; README.md says from which files. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import type { FieldType, Schemas } from "./schemas.js";

const WANTED = [
  "io.k8s.api.apps.v1.StatefulSet",
  "io.k8s.api.batch.v1.Job",
  "io.k8s.api.core.v1.ConfigMap",
  "io.k8s.api.core.v1.Namespace",
  "io.k8s.api.core.v1.PersistentVolumeClaim",
  "io.k8s.api.core.v1.Pod",
  "io.k8s.api.core.v1.Secret",
  "io.k8s.api.core.v1.Service",
  "io.k8s.api.core.v1.ServiceAccount",
  "io.k8s.api.networking.v1.Ingress",
  "io.k8s.api.networking.v1.NetworkPolicy",
  "io.k8s.api.policy.v1.PodDisruptionBudget",
  "io.k8s.api.rbac.v1.Role",
  "io.k8s.api.rbac.v1.RoleBinding",
];

/** Required by the API since 1.22, after the version of the lists. */
const LATER_REQUIRED: Readonly<Record<string, string[]>> = {
  "io.k8s.api.networking.v1.HTTPIngressPath": ["pathType"],
};

/** A type in the schema of structured-merge-diff. */
interface SourceType {
  scalar?: "string" | "numeric" | "boolean" | "untyped";
  namedType?: string;
  list?: { elementType: SourceType };
  map?: { fields?: { name: string; type: SourceType }[]; elementType?: SourceType };
}

const [goPath = "", swaggerPath = ""] = process.argv.slice(2);
const [, yaml = ""] = /YAMLObject\(`([^`]*)`\)/.exec(readFileSync(goPath, "utf8")) ?? [];
const { types } = parse(yaml) as { types: (SourceType & { name: string })[] };
const sources = new Map(types.map((type) => [type.name, type]));
const { definitions } = JSON.parse(readFileSync(swaggerPath, "utf8")) as {
  definitions: Record<string, { required?: string[] }>;
};

const found: Schemas = {};

function convert(type: SourceType): FieldType {
  if (type.namedType !== undefined) {
    add(type.namedType);
    return { ref: type.namedType };
  }
  if (type.list) return { list: convert(type.list.elementType) };
  if (type.map?.elementType) return { map: convert(type.map.elementType) };
  return type.scalar ?? "untyped";
}

function add(name: string): void {
  if (name in found) return;
  const source = sources.get(name);
  if (!source) throw new Error(`${name} is missing in ${goPath}`);
  const { map } = source;
  if (!map || source.scalar !== undefined) {
    found[name] = source.scalar ?? "untyped";
    return;
  }
  const fields: Record<string, FieldType> = {};
  const required = [...(definitions[name]?.required ?? []), ...(LATER_REQUIRED[name] ?? [])];
  found[name] = { fields, ...(required.length > 0 && { required: required.toSorted() }) };
  for (const field of map.fields ?? []) fields[field.name] = convert(field.type);
}

for (const name of WANTED) add(name);
const sorted = Object.fromEntries(
  Object.entries(found).toSorted(([one], [other]) => (one < other ? -1 : 1)),
);
process.stdout.write(`${JSON.stringify(sorted, null, 1)}\n`);
