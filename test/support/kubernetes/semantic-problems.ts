/** Rules of validation that the types do not express, of those kinds that Omoi creates. */
import { isIP } from "node:net";
import type {
  V1Container,
  V1Job,
  V1NetworkPolicy,
  V1NetworkPolicyPeer,
  V1NetworkPolicyPort,
  V1PodSpec,
  V1PodTemplateSpec,
  V1Role,
  V1Secret,
  V1StatefulSet,
} from "@kubernetes/client-node";
import {
  isDnsLabel,
  isDnsSubdomain,
  isStrictlyWithin,
  labelProblems,
  parseNetwork,
} from "./kubernetes-syntax.js";

/** @param object an object whose fields have the right types */
export function semanticProblems(kind: string, object: unknown): string[] {
  switch (kind) {
    case "Job":
      return jobProblems(object as V1Job);
    case "Pod":
      return podProblems((object as { spec: V1PodSpec }).spec, "spec");
    case "StatefulSet":
      return statefulSetProblems(object as V1StatefulSet);
    case "NetworkPolicy":
      return policyProblems(object as V1NetworkPolicy);
    case "Secret":
      return secretProblems(object as V1Secret);
    case "Role":
      return roleProblems(object as V1Role);
    default:
      return [];
  }
}

function jobProblems({ spec }: V1Job): string[] {
  if (!spec) return ["spec is missing"];
  const problems = templateProblems(spec.template, "spec.template");
  const { restartPolicy } = spec.template.spec ?? {};
  if (restartPolicy !== "Never" && restartPolicy !== "OnFailure") {
    problems.push("spec.template.spec.restartPolicy must be Never or OnFailure");
  }
  for (const field of [
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
  ] as const) {
    if ((spec[field] ?? 0) < 0) problems.push(`spec.${field} is negative`);
  }
  return problems;
}

function statefulSetProblems({ spec }: V1StatefulSet): string[] {
  if (!spec) return ["spec is missing"];
  const { selector, template } = spec;
  const labels = template.metadata?.labels ?? {};
  const isSelected = Object.entries(selector.matchLabels ?? {}).every(
    ([key, value]) => labels[key] === value,
  );
  const claims = (spec.volumeClaimTemplates ?? []).flatMap(({ metadata }) => metadata?.name ?? []);
  return [
    ...(isSelected ? [] : ["spec.selector does not match the labels of spec.template"]),
    ...templateProblems(template, "spec.template", claims),
  ];
}

function templateProblems(
  { metadata, spec }: V1PodTemplateSpec,
  path: string,
  claims: readonly string[] = [],
): string[] {
  if (!spec) return [`${path}.spec is missing`];
  return [
    ...labelProblems(metadata?.labels, `${path}.metadata.labels`),
    ...podProblems(spec, `${path}.spec`, claims),
  ];
}

function podProblems(spec: V1PodSpec, path: string, claims: readonly string[] = []): string[] {
  const { containers, initContainers = [], volumes = [], hostAliases = [], nodeSelector } = spec;
  const problems = labelProblems(nodeSelector, `${path}.nodeSelector`);
  if (containers.length === 0) problems.push(`${path}.containers is empty`);
  const all = [...initContainers, ...containers];
  const names = all.map(({ name }) => name);
  if (new Set(names).size < names.length) problems.push(`${path}: two containers have one name`);
  const volumeNames = [...volumes.map(({ name }) => name), ...claims];
  for (const volume of volumes) {
    const { name, ...source } = volume;
    if (!isDnsLabel(name)) problems.push(`${path}.volumes: "${name}" is not a name`);
    if (Object.keys(source).length !== 1)
      problems.push(`${path}.volumes: ${name} needs one source`);
  }
  for (const container of all) {
    problems.push(
      ...containerProblems(container, `${path}.containers(${container.name})`, volumeNames),
    );
  }
  for (const { ip, hostnames = [] } of hostAliases) {
    if (isIP(ip) === 0) problems.push(`${path}.hostAliases: "${ip}" is not an address`);
    for (const name of hostnames) {
      if (!isDnsSubdomain(name)) problems.push(`${path}.hostAliases: "${name}" is not a name`);
    }
  }
  if (spec.dnsPolicy === "None" && (spec.dnsConfig?.nameservers ?? []).length === 0) {
    problems.push(`${path}.dnsConfig.nameservers is empty`);
  }
  return problems;
}

function containerProblems(
  {
    name,
    image,
    env = [],
    volumeMounts = [],
    resources = {},
    securityContext,
    ports = [],
  }: V1Container,
  path: string,
  volumes: readonly string[],
): string[] {
  const problems: string[] = [];
  if (!isDnsLabel(name)) problems.push(`${path}.name is not a name`);
  if (image === undefined || image.trim() !== image || image === "") {
    problems.push(`${path}.image is missing`);
  }
  for (const { name: variable, value, valueFrom } of env) {
    if (!/^[\x20-\x3c\x3e-\x7e]+$/.test(variable))
      problems.push(`${path}.env: "${variable}" is not a name`);
    if (value !== undefined && valueFrom !== undefined) {
      problems.push(`${path}.env: ${variable} has two values`);
    }
  }
  const paths = volumeMounts.map(({ mountPath }) => mountPath);
  if (new Set(paths).size < paths.length) problems.push(`${path}.volumeMounts: a path is repeated`);
  for (const { name: volume, mountPath } of volumeMounts) {
    if (!volumes.includes(volume)) problems.push(`${path}.volumeMounts: no volume ${volume}`);
    if (mountPath === "" || mountPath.includes(":")) {
      problems.push(`${path}.volumeMounts: "${mountPath}" is not a path`);
    }
  }
  for (const [resource, request] of Object.entries(resources.requests ?? {})) {
    const limit = resources.limits?.[resource];
    if (limit !== undefined && amountOf(request) > amountOf(limit)) {
      problems.push(`${path}.resources: the request of ${resource} exceeds its limit`);
    }
  }
  if (securityContext?.privileged === true && securityContext.allowPrivilegeEscalation === false) {
    problems.push(`${path}.securityContext is contradictory`);
  }
  for (const { containerPort } of ports) {
    if (containerPort < 1 || containerPort > 65_535)
      problems.push(`${path}.ports: ${containerPort}`);
  }
  return problems;
}

const FACTORS: Readonly<Record<string, number>> = {
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

function amountOf(quantity: string | number): number {
  const [, number = "", suffix = ""] = /^([\d.]+)([A-Za-z]*)$/.exec(String(quantity)) ?? [];
  return Number(number) * (FACTORS[suffix] ?? Number.NaN);
}

function policyProblems({ spec }: V1NetworkPolicy): string[] {
  if (!spec) return ["spec is missing"];
  const problems = labelProblems(spec.podSelector?.matchLabels, "spec.podSelector.matchLabels");
  for (const type of spec.policyTypes ?? []) {
    if (type !== "Ingress" && type !== "Egress") problems.push(`spec.policyTypes: ${type}`);
  }
  const rule = (
    peers: V1NetworkPolicyPeer[] = [],
    ports: V1NetworkPolicyPort[] = [],
    path: string,
  ): void => {
    problems.push(...peers.flatMap((peer) => peerProblems(peer, path)));
    for (const { port, protocol = "TCP" } of ports) {
      if (!["TCP", "UDP", "SCTP"].includes(protocol)) problems.push(`${path}: ${protocol}`);
      if (typeof port === "number" && (port < 1 || port > 65_535))
        problems.push(`${path}: ${port}`);
    }
  };
  for (const [index, { to, ports }] of (spec.egress ?? []).entries()) {
    rule(to, ports, `spec.egress[${index}]`);
  }
  for (const [index, { _from, ports, ...rest }] of (spec.ingress ?? []).entries()) {
    const { from } = rest as { from?: V1NetworkPolicyPeer[] };
    rule(_from ?? from, ports, `spec.ingress[${index}]`);
  }
  return problems;
}

function peerProblems(
  { ipBlock, podSelector, namespaceSelector }: V1NetworkPolicyPeer,
  path: string,
): string[] {
  const problems = [
    ...labelProblems(podSelector?.matchLabels, `${path}.podSelector`),
    ...labelProblems(namespaceSelector?.matchLabels, `${path}.namespaceSelector`),
  ];
  if (!ipBlock) {
    if (!podSelector && !namespaceSelector) problems.push(`${path}: a peer is empty`);
    return problems;
  }
  if (podSelector ?? namespaceSelector) problems.push(`${path}: ipBlock excludes selectors`);
  const outer = parseNetwork(ipBlock.cidr);
  if (!outer) return [...problems, `${path}: "${ipBlock.cidr}" is not a network`];
  for (const text of ipBlock.except ?? []) {
    const inner = parseNetwork(text);
    if (!inner || !isStrictlyWithin(inner, outer)) {
      problems.push(`${path}: "${text}" is not within ${ipBlock.cidr}`);
    }
  }
  return problems;
}

function secretProblems({ data = {}, stringData = {} }: V1Secret): string[] {
  const keys = [...Object.keys(data), ...Object.keys(stringData)];
  return [
    ...keys.flatMap((key) =>
      /^[-._a-zA-Z0-9]{1,253}$/.test(key) ? [] : [`data: "${key}" is not a key`],
    ),
    ...Object.entries(data).flatMap(([key, value]) =>
      Buffer.from(value, "base64").toString("base64") === value
        ? []
        : [`data.${key} is not base64`],
    ),
  ];
}

function roleProblems({ rules }: V1Role): string[] {
  return (rules ?? []).flatMap(({ apiGroups = [], resources = [], verbs }, index) => {
    const path = `rules[${index}]`;
    return [
      ...(verbs.length === 0 ? [`${path}.verbs is empty`] : []),
      ...(apiGroups.length === 0 ? [`${path}.apiGroups is empty`] : []),
      ...(resources.length === 0 ? [`${path}.resources is empty`] : []),
    ];
  });
}
