/** Syntax of values, by https://kubernetes.io/docs/concepts/overview/working-with-objects/ and the Go sources. */
import { BlockList, isIP } from "node:net";

export const isDnsLabel = (name: string): boolean =>
  /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name);

export const isDnsSubdomain = (name: string): boolean =>
  name.length <= 253 && /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/.test(name) && !/\.[.-]|-\./.test(name);

const isLabelName = (name: string): boolean =>
  /^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/.test(name);

export function isLabelKey(key: string): boolean {
  const parts = key.split("/");
  const [prefix = "", name] = parts;
  if (parts.length === 1) return isLabelName(prefix);
  return parts.length === 2 && isDnsSubdomain(prefix) && isLabelName(name ?? "");
}

export const isLabelValue = (value: unknown): boolean =>
  typeof value === "string" && (value === "" || isLabelName(value));

/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ */
export const isQuantity = (value: unknown): boolean =>
  typeof value === "number" ||
  (typeof value === "string" &&
    /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/.test(value));

interface Network {
  address: string;
  bits: number;
  family: "ipv4" | "ipv6";
}

/** Returns the parts of a network; null for another text, or one with bits after its prefix. */
export function parseNetwork(text: string): Network | null {
  const [, address = "", length = ""] = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/.exec(text) ?? [];
  const version = isIP(address);
  const bits = Number(length);
  if (version === 0 || bits > (version === 4 ? 32 : 128)) return null;
  return { address, bits, family: version === 4 ? "ipv4" : "ipv6" };
}

/** Whether a network is a part of another one, and smaller. */
export function isStrictlyWithin(inner: Network, outer: Network): boolean {
  if (inner.family !== outer.family || inner.bits <= outer.bits) return false;
  const list = new BlockList();
  list.addSubnet(outer.address, outer.bits, outer.family);
  return list.check(inner.address, inner.family);
}

/** Returns the reasons for which labels are invalid. */
export function labelProblems(labels: unknown, path: string): string[] {
  if (typeof labels !== "object" || labels === null) return [];
  return Object.entries(labels).flatMap(([key, value]) => [
    ...(isLabelKey(key) ? [] : [`${path}: "${key}" is not a key`]),
    ...(isLabelValue(value) ? [] : [`${path}.${key}: "${String(value)}" is not a value`]),
  ]);
}
