import type { ChartObject } from "./render-chart.js";

/** API versions of the kinds in the chart. */
const versions: Readonly<Record<string, string>> = {
  Ingress: "networking.k8s.io/v1",
  Role: "rbac.authorization.k8s.io/v1",
  RoleBinding: "rbac.authorization.k8s.io/v1",
  Service: "v1",
  ServiceAccount: "v1",
  StatefulSet: "apps/v1",
};

/** Returns what is wrong with the head of an object. */
export function objectProblems({ apiVersion, kind, metadata }: ChartObject): string[] {
  const problems: string[] = [];
  if (versions[kind] !== apiVersion) problems.push(`${kind} is not in ${apiVersion}`);
  if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(metadata.name)) {
    problems.push(`${kind} has an invalid name`);
  }
  return problems;
}
