import type { IncomingMessage } from "node:http";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { projects } from "#shared/api/projects/projects.js";
import { countProjects, orderByRoom } from "../../cluster/choose-node.js";
import type { Cluster } from "../../cluster/cluster.js";
import { forwardRequest, passAnswer } from "../../cluster/forward-request.js";
import { homeRoutes, type HomeRoute } from "../../cluster/home-of-request.js";
import { NoAnswerError, NotSentError } from "../../cluster/node-client.js";
import { listNodes, type RegisteredNode } from "../../cluster/nodes.queries.js";
import type { Database } from "../../db/connection/connect.js";
import { AppError, homeUnavailable } from "../../errors.js";
import type { ActiveRequests } from "../graceful-shutdown.js";
import { sendProblem } from "../problem.js";
import { isForwarded, markWithoutHome } from "./home-availability.js";
import { openStreams, type OpenStreams } from "./open-streams.js";
import { receiveForwarded } from "./receive-forwarded.js";

interface Forwarding extends Cluster {
  db: Database;
  requests: ActiveRequests;
  streams: OpenStreams;
}

/** What a request needs: the home of a project, the node for a new one, or any node (null). */
type Destination =
  | { home: string | undefined | Promise<string | undefined>; isSafe: boolean }
  | "most room"
  | null;

/** Period of checks for nodes that are gone. */
const CHECK_MS = 3000;

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
  const { node, lease } = cluster;
  const routes = new Map(
    [...homeRoutes()].map(([call, route]) => [call.replaceAll(/\{(\w+)\}/g, ":$1"), route]),
  );
  const { streams } = forwarding;
  const checking = setInterval(() => {
    if (streams.size > 0) void abortLost(cluster, streams).catch(() => {});
  }, CHECK_MS).unref();
  app.addHook("onClose", async () => clearInterval(checking));
  app.addHook("onRequest", (request, reply, done) => {
    try {
      receiveForwarded(cluster, request, reply);
    } catch (error) {
      sendProblem(error, request, reply);
      return;
    }
    const destination = destinationOf(cluster, routes, request);
    if (destination === null) return done();
    const goOn = (home: string | undefined): void => {
      if (home === undefined) return done();
      if (home !== node.id) {
        if (isForwarded(request)) return done(homeUnavailable());
        void forwardTo(forwarding, [home], isSafe, request, reply).then((error) => {
          if (error !== "forwarded") done(error ?? undefined);
        });
        return;
      }
      if (isSafe || lease.isHeld()) done();
      else done(homeUnavailable());
    };
    if (destination === "most room") {
      chooseNodes(forwarding)
        .then((ids) => forwardTo(forwarding, ids, false, request, reply))
        .then((error) => {
          if (error !== "forwarded") done(error ?? undefined);
        })
        .catch(done);
      return;
    }
    const { home, isSafe } = destination;
    if (home instanceof Promise) home.then(goOn).catch(done);
    else goOn(home);
  });
}

/** Aborts requests to nodes whose lease has ended. */
async function abortLost({ nodes }: Cluster, streams: OpenStreams): Promise<void> {
  const all = await nodes.all();
  streams.abortExcept((nodeId) => all.some(({ id, is_leased }) => id === nodeId && is_leased));
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
    const home = homes.ofAddress(`${org}/${project.slice(0, -".git".length)}`);
    return { home, isSafe: !url.endsWith("git-receive-pack") };
  }
  const call = `${method === "HEAD" ? "GET" : method} ${url}`;
  // Any node rejects a body that is too large.
  if (Number(headers["content-length"] ?? 0) > (request.routeOptions.bodyLimit ?? Infinity)) {
    return null;
  }
  if (call === createProject) return isForwarded(request) ? null : "most room";
  const route = routes.get(call);
  if (route === undefined) return null;
  const id = (request.params as Record<string, string>)[route.parameter];
  return id === undefined ? null : { home: homes.of(route.parameter, id), isSafe: route.isSafe };
}

/** Returns the nodes that may take a new project, the best first. */
async function chooseNodes({ db }: Forwarding): Promise<string[]> {
  const [nodes, projects] = await db.withSystem("choose a node", (tx) =>
    Promise.all([listNodes(tx), countProjects(tx)]),
  );
  return orderByRoom(nodes, projects).map(({ id }) => id);
}

/**
 * Sends a request to the first of the nodes that can be reached.
 * @returns "forwarded" when the answer is passed on or the connection is broken; otherwise this node handles the
 * request, or answers the error
 */
async function forwardTo(
  forwarding: Forwarding,
  ids: readonly string[],
  isSafe: boolean,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<"forwarded" | Error | null> {
  const { node: own, lease, nodes, requests } = forwarding;
  requests.begin();
  try {
    for (const id of ids) {
      if (id === own.id && lease.isHeld()) return null;
      const node = await nodes.find(id);
      if (id === own.id || !node?.is_leased || node.url === null) continue;
      try {
        await forward(forwarding, { ...node, url: node.url }, isSafe, request, reply);
        return "forwarded";
      } catch (error) {
        nodes.expire();
        if (!(error instanceof NotSentError)) throw error;
        request.log.warn({ err: error, node: node.name }, "a node cannot be reached");
        if (request.raw.readableDidRead) return homeUnavailable();
      }
    }
    markWithoutHome(request);
    return null;
  } catch (error) {
    if (error instanceof AppError) return error;
    if (!(error instanceof NoAnswerError)) return error as Error;
    if (isSafe) return homeUnavailable();
    // The outcome is unknown, as after any broken connection; an error would claim that nothing was changed.
    reply.hijack();
    reply.raw.destroy();
    return "forwarded";
  } finally {
    requests.end();
  }
}

/** Resolves once the answer is being passed on. */
async function forward(
  forwarding: Forwarding,
  node: RegisteredNode & { url: string },
  isSafe: boolean,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const { db, nodes, streams } = forwarding;
  const sent = forwardRequest(forwarding, node, request);
  const end = streams.begin(node.id, sent.abort);
  reply.raw.once("close", () => {
    end();
    sent.abort();
  });
  // A body that is late, or that the client no longer sends.
  let late: AppError | null = null;
  const onError = (error: unknown): void => {
    if (error instanceof AppError) late = error;
    sent.abort();
  };
  request.raw.on("error", onError);
  let answer: IncomingMessage;
  try {
    answer = await sent.answer;
  } catch (error) {
    end();
    throw late ?? error;
  }
  if (answer.statusCode === 503) nodes.expire();
  if (answer.headers["x-request-id"] === undefined) {
    // Rejected by the node's limit of connections, before it was read.
    sent.abort();
    end();
    throw new NotSentError(`the node answered ${answer.statusCode}`);
  }
  // Read-your-writes: the client's next request may be one that this node handles.
  if (!isSafe) await db.changes.syncLocal();
  const isEventStream = answer.headers["content-type"]?.startsWith("text/event-stream") ?? false;
  const closes = isEventStream || !request.raw.complete || !request.server.server.listening;
  reply.hijack();
  passAnswer(answer, reply.raw, closes);
  if (isEventStream) streams.endOnStop(answer, reply.raw);
}
