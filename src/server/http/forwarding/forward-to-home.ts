import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { projects } from "#shared/api/code/projects.js";
import { RUNNER_PATH } from "#shared/execution/runner/protocol.js";
import { countProjects, orderByRoom } from "../../cluster/choose-node.js";
import type { Cluster } from "../../cluster/cluster.js";
import {
  homeRoutes,
  type HomeRoute,
  type Homes,
  type ProjectHome,
} from "../../cluster/home-of-request.js";
import { listNodes } from "../../cluster/nodes.queries.js";
import { watchNodes } from "../../cluster/watch-nodes.js";
import { homeUnavailable } from "../../errors.js";
import { sendProblem } from "../answers/problem.js";
import { forwardToNode, type Forwarding, type Outcome } from "./forward-to-node.js";
import { isForwarded } from "./home-availability.js";
import { openStreams } from "./open-streams.js";
import { receiveForwarded } from "./receive-forwarded.js";

/** The destination of a request: the home of a project, the node for a new one, or any node (null). */
type Destination = { found: ReturnType<Homes["of"]>; isSafe: boolean } | "most room" | null;

const createProject = `${projects.create.method} ${projects.create.path}`;

/**
 * Sends requests of projects on to their homes, before their bodies are read, and new projects to the node with the
 * most room. Credentials, limits and conditions of a request are checked at its home alone. A home that cannot be
 * reached is a 503 `home_unavailable`, for callers who may see the project.
 */
export function forwardToHomes(
  app: FastifyInstance,
  cluster: Cluster,
  { db, requests }: Pick<Forwarding, "db" | "requests">,
): void {
  const forwarding: Forwarding = { ...cluster, db, requests, streams: openStreams(app) };
  const routes = new Map(
    [...homeRoutes()].map(([call, route]) => [call.replaceAll(/\{(\w+)\}/g, ":$1"), route]),
  );
  const { client, nodes, streams } = forwarding;
  const endWatch = watchNodes({
    client,
    nodes,
    asked: () => streams.nodeIds(),
    gone: (nodeId) => streams.abort(nodeId),
  });
  app.addHook("onClose", async () => endWatch());
  app.addHook("onRequest", (request, reply, done) => {
    try {
      receiveForwarded(cluster, request, reply);
    } catch (error) {
      sendProblem(error, request, reply);
      return;
    }
    const outcome = routeRequest(forwarding, routes, request, reply);
    if (outcome instanceof Promise) void finishLater(outcome, done);
    else finish(outcome, done);
  });
}

function finish(outcome: Outcome, done: (error?: Error) => void): void {
  if (outcome !== "forwarded") done(outcome ?? undefined);
}

async function finishLater(outcome: Promise<Outcome>, done: (error?: Error) => void) {
  let known: Outcome;
  try {
    known = await outcome;
  } catch (error) {
    known = error as Error;
  }
  finish(known, done);
}

/** Decides at once where the home is known and this node is it, like for most requests. */
function routeRequest(
  forwarding: Forwarding,
  routes: ReadonlyMap<string, HomeRoute>,
  request: FastifyRequest,
  reply: FastifyReply,
): Outcome | Promise<Outcome> {
  const destination = destinationOf(forwarding, routes, request);
  if (destination === null) return null;
  if (destination === "most room") return forwardToRoom(forwarding, request, reply);
  const { node, lease, requests, work } = forwarding;
  const { found, isSafe } = destination;
  const goOn = (of: ProjectHome | undefined): Outcome | Promise<Outcome> => {
    if (of === undefined) return null;
    if (of.home !== node.id) {
      if (isForwarded(request)) return homeUnavailable();
      return forwardToNode(forwarding, [of.home], isSafe, request, reply);
    }
    if (!isSafe && !lease.isHeld()) return homeUnavailable();
    const abort = isSafe ? () => reply.raw.destroy() : undefined;
    requests.alsoCount(request, reply.raw, work.begin(of.projectId, abort));
    // After it is counted: the project may have left since its home was read.
    const isHere = work.require([of.projectId]);
    return isHere instanceof Promise ? isHere.then(() => null) : null;
  };
  return found instanceof Promise ? found.then(goOn) : goOn(found);
}

function destinationOf(
  { homes }: Cluster,
  routes: ReadonlyMap<string, HomeRoute>,
  request: FastifyRequest,
): Destination {
  const { url } = request.routeOptions;
  if (url === undefined) return null;
  const { method, headers } = request;
  if (url.startsWith("/git/:org/:project/")) {
    // Any node asks for the credential.
    if (headers.authorization === undefined) return null;
    const { org = "", project = "" } = request.params as { org?: string; project?: string };
    if (!project.endsWith(".git")) return null;
    const found = homes.ofAddress(`${org}/${project.slice(0, -".git".length)}`);
    return { found, isSafe: !url.endsWith("git-receive-pack") };
  }
  if (url.startsWith(`${RUNNER_PATH}/runs/:run_id/`)) {
    // Any node asks for the credential.
    const { run_id: id } = request.params as { run_id?: string };
    if (headers.authorization === undefined || id === undefined) return null;
    return { found: homes.of("run_id", id), isSafe: url.includes("/git/") };
  }
  const call = `${method === "HEAD" ? "GET" : method} ${url}`;
  // Any node rejects a body that is too large.
  const isRead = method === "GET" || method === "HEAD";
  if (
    !isRead &&
    Number(headers["content-length"] ?? 0) > (request.routeOptions.bodyLimit ?? Infinity)
  ) {
    return null;
  }
  // Any node rejects a call without a credential.
  if (headers.authorization === undefined && headers.cookie === undefined) return null;
  if (call === createProject) return isForwarded(request) ? null : "most room";
  const route = routes.get(call);
  if (route === undefined) return null;
  const id = (request.params as Record<string, string>)[route.parameter];
  return id === undefined ? null : { found: homes.of(route.parameter, id), isSafe: route.isSafe };
}

/** Sends a request for a new project to the node with the most room. */
async function forwardToRoom(
  forwarding: Forwarding,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Outcome> {
  const [nodes, projectCounts] = await forwarding.db.withSystem("choose a node", (tx) =>
    Promise.all([listNodes(tx), countProjects(tx)]),
  );
  const ids = orderByRoom(nodes, projectCounts).map(({ id }) => id);
  return forwardToNode(forwarding, ids, false, request, reply);
}
