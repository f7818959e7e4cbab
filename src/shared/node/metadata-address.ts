/** Metadata services of clouds, which hold credentials of the machine. */
import { isWithin } from "./networks.js";

/** IPv4 networks: link-local addresses, Alibaba Cloud, Azure, and Oracle Cloud. */
const METADATA_IPV4 = [
  "169.254.0.0/16",
  "100.100.100.200/32",
  "168.63.129.16/32",
  "192.0.0.192/32",
];

/** Link-local addresses, and the services of AWS, Google Cloud, Oracle Cloud and Scaleway. */
const METADATA_IPV6 = [
  "fe80::/10",
  "fd00:ec2::/32",
  "fd20:ce::254/128",
  "fd00:c1::a9fe:a9fe/128",
  "fd00:42::42/128",
];

/** Networks that nothing reaches for a user or a run, whatever the operator allows. */
export const METADATA_NETWORKS = [
  ...METADATA_IPV4,
  ...METADATA_IPV6,
  ...METADATA_IPV4.flatMap(translatedNetworks),
];

export function isMetadataAddress(address: string): boolean {
  return METADATA_NETWORKS.some((network) => isWithin(address, network));
}

/** Returns the IPv6 networks that gateways translate to an IPv4 network. `isWithin` knows mapped addresses. */
function translatedNetworks(network: string): string[] {
  const [address = "", bits] = network.split("/");
  const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number);
  const groups = [a * 256 + b, c * 256 + d].map((group) => group.toString(16)).join(":");
  const embedded = (before: number): number => before + Number(bits);
  return [
    // NAT64 (RFC 6052 and RFC 8215), IPv4-compatible (RFC 4291) and IPv4-translated (RFC 2765) addresses, 6to4.
    `64:ff9b::${groups}/${embedded(96)}`,
    `64:ff9b:1::${groups}/${embedded(96)}`,
    `::${groups}/${embedded(96)}`,
    `::ffff:0:${groups}/${embedded(96)}`,
    `2002:${groups}::/${embedded(16)}`,
  ];
}
