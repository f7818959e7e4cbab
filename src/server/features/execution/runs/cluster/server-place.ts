import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { ClusterError } from "./api/cluster-api.js";
import type { ClusterSettings, ServerPlace } from "./manifests/cluster-run.js";
import { shortened } from "./api/classify-error.js";

/** Addresses that are another host in each place: loopback, unspecified and link-local ones. */
const OF_POD = /^(?:127\.|0\.|169\.254\.|::1?$|fe[89ab])/i;
/** Addresses of a host that pods get. */
const MAX_ADDRESSES = 8;

/**
 * Returns how pods reach the server, with the addresses that its names have now.
 * @throws ClusterError when a name has no address
 */
export async function findServerPlace(
  settings: Pick<ClusterSettings, "serverUrl" | "egressUrl">,
  { publicUrl, port, egressPort }: { publicUrl: string; port: number; egressPort: number | null },
): Promise<ServerPlace> {
  const url = settings.serverUrl ?? publicUrl;
  const urls = [url, ...(settings.egressUrl === null ? [] : [settings.egressUrl])];
  const names = new Set(urls.map((url) => new URL(url).hostname.replaceAll(/[[\]]/g, "")));
  const hosts = await Promise.all(
    [...names].map(async (name) => ({ name, addresses: await addressesOf(name) })),
  );
  for (const { name, addresses } of hosts) {
    const own = addresses.find((address) => OF_POD.test(address));
    // An address that the operator gives for pods is right.
    if (own === undefined || settings.serverUrl !== null) continue;
    throw new ClusterError(
      "forbidden",
      `The server's name for pods, ${name}, leads to the pod itself (${own}); the operator sets OMOI_KUBERNETES_SERVER_URL.`,
    );
  }
  return { url, hosts, port, egressPort };
}

async function addressesOf(name: string): Promise<string[]> {
  if (isIP(name) !== 0) return [name];
  try {
    const found = await lookup(name, { all: true });
    return found.slice(0, MAX_ADDRESSES).map(({ address }) => address);
  } catch (error) {
    const reason = shortened((error as Error).message);
    throw new ClusterError(
      "unreachable",
      `The server's name for pods, ${name}, has no address: ${reason}.`,
      error,
    );
  }
}
