import { isIP } from "node:net";
import type {
  V1NetworkPolicy,
  V1NetworkPolicyEgressRule,
  V1NetworkPolicyPeer,
  V1OwnerReference,
} from "@kubernetes/client-node";
import { NON_PUBLIC } from "#shared/node/public-address.js";
import type { ClusterRun, ClusterSettings, ServerPlace } from "./cluster-run.js";
import { LABELS, ownedName } from "./names.js";

/** Returns the policy of a run's pod: nothing reaches it, and it reaches the server and what its network names. */
export function networkPolicyOf(
  run: ClusterRun,
  settings: ClusterSettings,
  place: ServerPlace,
  nonce: string,
  { labels, owner }: { labels: Record<string, string>; owner: V1OwnerReference },
): V1NetworkPolicy {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: ownedName(run.id, nonce), labels, ownerReferences: [owner] },
    spec: {
      podSelector: { matchLabels: { [LABELS.run]: run.id } },
      policyTypes: ["Ingress", "Egress"],
      ingress: [],
      egress: [
        toServer(run, settings, place),
        ...(run.network === "full" ? [toPublicAddresses, toNameServers] : []),
      ],
    },
  };
}

/**
 * Most networks compare the port and the address of the pod behind a service, some those of the service: both ports
 * are allowed.
 */
function toServer(
  { network }: ClusterRun,
  settings: ClusterSettings,
  place: ServerPlace,
): V1NetworkPolicyEgressRule {
  const ports = [place.port, portOf(place.url)];
  if (network === "restricted" && settings.egressUrl !== null) {
    ports.push(place.egressPort ?? 0, portOf(settings.egressUrl));
  }
  return {
    to: serverPeers(settings, place),
    ports: [...new Set(ports)]
      .filter((port) => port > 0)
      .map((port) => ({ protocol: "TCP", port })),
  };
}

function serverPeers(
  { serverPods, serverNamespace, serverNetworks }: ClusterSettings,
  { hosts }: ServerPlace,
): V1NetworkPolicyPeer[] {
  const peers: V1NetworkPolicyPeer[] = serverNetworks.map((cidr) => ({ ipBlock: { cidr } }));
  if (Object.keys(serverPods).length > 0) {
    peers.push({
      podSelector: { matchLabels: serverPods },
      ...(serverNamespace !== null && {
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": serverNamespace } },
      }),
    });
  }
  if (peers.length > 0) return peers;
  // Without settings: the addresses of the server's name.
  const addresses = hosts.flatMap((host) => host.addresses);
  // An empty list would allow everything.
  if (addresses.length === 0) throw new Error("the server has no address");
  return [...new Set(addresses)].map((address) => ({
    ipBlock: { cidr: `${address}/${isIP(address) === 4 ? 32 : 128}` },
  }));
}

export function portOf(url: string): number {
  const { port, protocol } = new URL(url);
  if (port !== "") return Number(port);
  return protocol === "https:" ? 443 : 80;
}

const isIPv6 = (network: string): boolean => network.includes(":");

const toPublicAddresses: V1NetworkPolicyEgressRule = {
  to: [
    {
      ipBlock: {
        cidr: "0.0.0.0/0",
        except: NON_PUBLIC.filter((network) => !isIPv6(network)),
      },
    },
    // Global unicast: all other addresses are local, reserved or translate IPv4.
    { ipBlock: { cidr: "2000::/3", except: NON_PUBLIC.filter(isIPv6) } },
  ],
};

const toNameServers: V1NetworkPolicyEgressRule = {
  to: [
    {
      namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
      podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
    },
  ],
  ports: [
    { protocol: "UDP", port: 53 },
    { protocol: "TCP", port: 53 },
  ],
};
