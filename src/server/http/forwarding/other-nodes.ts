import { text } from "node:stream/consumers";
import { Readable } from "node:stream";
import type { Cluster } from "../../cluster/cluster.js";
import { forwardRequest } from "../../cluster/forward-request.js";
import type { PublicContext } from "../requests/request-context.js";
import { isForwarded } from "./home-availability.js";

/** The request of a call about several projects. */
type Asking = Pick<PublicContext, "requestId" | "request" | "log">;

/** The other nodes, for calls about several projects, whose data may be on several disks. */
export interface OtherNodes {
  /** Whether the installation has one node. */
  readonly isNone: boolean;
  /** Returns the homes of those projects whose home is another node, by project. */
  homesOf(projectIds: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /**
   * Asks nodes for their answers to the call at hand, as its caller, by node. A node that is late or does not answer is
   * left out. A node that is asked asks no others.
   * @param post the body of a POST; without it, the call is a GET
   */
  ask(
    asking: Asking,
    nodeIds: Iterable<string>,
    post?: { body: object; timeoutMs: number },
  ): Promise<ReadonlyMap<string, unknown>>;
}

/** Time that a call waits for the answers. */
const TIMEOUT_MS = 2500;
/** Headers of the caller: those of conditions and encodings are left out. */
const passedHeaders = [
  "authorization",
  "cookie",
  "origin",
  "sec-fetch-site",
  "user-agent",
] as const;

export function otherNodes(cluster: Cluster | null): OtherNodes {
  if (cluster === null) {
    return { isNone: true, homesOf: async () => new Map(), ask: async () => new Map() };
  }
  const { node, homes, nodes } = cluster;

  const askOne = async (
    nodeId: string,
    { requestId, request }: Asking,
    post: Parameters<OtherNodes["ask"]>[2],
  ): Promise<unknown> => {
    const found = await nodes.find(nodeId);
    if (!found?.is_leased || found.url === null) return null;
    const { ip, host, protocol, socket, url, headers } = request;
    const rawHeaders = passedHeaders.flatMap((name) => {
      const value = headers[name];
      return value === undefined ? [] : [name, value];
    });
    const content = post === undefined ? [] : [Buffer.from(JSON.stringify(post.body))];
    if (post !== undefined) rawHeaders.push("content-type", "application/json");
    const raw = Object.assign(Readable.from(content, { objectMode: false }), {
      method: post === undefined ? "GET" : "POST",
      url,
      headers: { "content-length": String(content[0]?.length ?? 0) },
      rawHeaders,
    });
    const received = { id: requestId, ip, host, protocol, socket, raw };
    const sent = forwardRequest(cluster, { ...found, url: found.url }, received);
    const late = setTimeout(() => sent.abort(), post?.timeoutMs ?? TIMEOUT_MS);
    try {
      const answer = await sent.answer;
      const body = await text(answer);
      return answer.statusCode === 200 ? (JSON.parse(body) as unknown) : null;
    } finally {
      clearTimeout(late);
    }
  };

  return {
    isNone: false,
    homesOf: async (projectIds) => {
      const others = new Map<string, string>();
      for (const id of new Set(projectIds)) {
        const found = await homes.of("project_id", id);
        if (found !== undefined && found.home !== node.id) others.set(id, found.home);
      }
      return others;
    },
    ask: async (asking, nodeIds, post) => {
      const answers = new Map<string, unknown>();
      if (isForwarded(asking.request)) return answers;
      const asked = [...new Set(nodeIds)].map(async (id) => {
        try {
          const answer = await askOne(id, asking, post);
          if (answer !== null) answers.set(id, answer);
        } catch (error) {
          asking.log.warn({ err: error, node: id }, "a node did not answer");
        }
      });
      await Promise.all(asked);
      return answers;
    },
  };
}
