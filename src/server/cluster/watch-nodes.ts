import type { NodeClient } from "./node-client.js";
import type { NodeDirectory } from "./node-directory.js";

/** Period of checks for nodes that are gone. */
const CHECK_MS = 3000;
/** Time for the answer of a node to a probe. */
const PROBE_MS = 5000;
/** Probes in a row without an answer after which a node counts as cut off. */
const MAX_FAILURES = 3;

interface Watched {
  client: NodeClient;
  nodes: NodeDirectory;
  /** Ids of the nodes with requests under way. */
  asked: () => ReadonlySet<string>;
  /** Called with a node whose lease has ended, or that is cut off from this one. */
  gone: (nodeId: string) => void;
}

/**
 * Watches the nodes that have requests of this one: a machine without power, or behind a broken network, closes no
 * connection. Returns a function that ends the watch.
 */
export function watchNodes({ client, nodes, asked, gone }: Watched): () => void {
  const failures = new Map<string, number>();
  const check = async (id: string): Promise<void> => {
    const node = await nodes.find(id);
    if (!node?.is_leased || node.url === null) return gone(id);
    if (await answers(client, node.url)) {
      failures.delete(id);
      return;
    }
    const count = (failures.get(id) ?? 0) + 1;
    failures.set(id, count);
    if (count < MAX_FAILURES) return;
    failures.delete(id);
    gone(id);
  };
  let checking: Promise<unknown> | null = null;
  const timer = setInterval(() => {
    checking ??= Promise.allSettled([...asked()].map(check)).finally(() => {
      checking = null;
    });
  }, CHECK_MS).unref();
  return () => clearInterval(timer);
}

/** Whether a node answers a request in time, whatever the answer. */
async function answers(client: NodeClient, origin: string): Promise<boolean> {
  const headers = ["host", new URL(origin).host];
  const probe = client.send({ origin, method: "HEAD", path: "/healthz", headers, body: null });
  const timer = setTimeout(() => probe.abort(), PROBE_MS);
  try {
    (await probe.answer).resume();
    return true;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
