import { freePort } from "./free-port.js";

/** The settings of one node of a cluster on this machine. */
export async function clusterEnv(name: string): Promise<Record<string, string>> {
  const port = await freePort();
  return {
    OMOI_PORT: String(port),
    OMOI_NODE_NAME: name,
    OMOI_NODE_URL: `http://127.0.0.1:${port}`,
    OMOI_CLUSTER_SECRET: "the secret of a cluster in tests, which is long",
  };
}
