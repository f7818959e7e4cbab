import { Readable } from "node:stream";
import {
  createMcpHandler,
  ProtocolError,
  ProtocolErrorCode,
  Server,
} from "@modelcontextprotocol/server";
import { permissionsOf } from "../../../access/access.js";
import {
  authenticate,
  isPerson,
  unauthenticated,
  type Actor,
} from "../../../access/authenticate.js";
import { resolveAccess } from "../../../access/authorize.js";
import type { Database } from "../../../db/connection/connect.js";
import { Answer } from "../../../http/answers/answer.js";
import { internalCallOf, type InternalCall } from "../../../http/requests/internal-call.js";
import { rawRoutes, type RawRequest } from "../../../http/raw-routes.js";
import type { Routes } from "../../../http/register-routes.js";
import type { Services } from "../../services.js";
import { bodyOf, callTool, readResource, type Caller } from "./call-tool.js";
import { describedTools, type DescribedTool } from "./describe-tools.js";
import { insertTools, standIn } from "./list-tools.js";
import { METADATA, metadataOf, withMetadata } from "./authentication-metadata.js";
import { messageTurns, type EndTurn } from "./message-turns.js";
import { placesIn } from "./mcp.queries.js";

const byName = new Map(describedTools.map((tool) => [tool.definition.name, tool]));

/** A request with one message. */
interface Exchange {
  caller: Caller;
  /** The tools to list; null until the library has accepted a request for them. */
  offered: readonly DescribedTool[] | null;
  /** Lets the next message of the owner begin. */
  endTurn: EndTurn;
}

/** Returns what a program reads first. */
function instructionsFor({ agent, opinion }: Actor): string {
  if (opinion) {
    return "You give a second opinion on a task of Omoi. Read get_task_changes, and publish your review once with publish_opinion.";
  }
  return agent !== null
    ? "You are an agent of Omoi. agent_id and project_id are your own unless you give others."
    : "Omoi runs coding agents, each in an isolated git workspace. Start with list_projects and list_work.";
}

/**
 * The Model Context Protocol over Streamable HTTP, without sessions: each request carries one message and is served by
 * a server object of its own, for clients of the protocol of 2026-07-28 and of those before. The credential is a bearer
 * token; a cookie does not count.
 */
export function createMcp(services: Services): { routes: Routes; close: () => Promise<void> } {
  const { db, credentials, publicUrl, build, log } = services;
  const placesOf = placesIn(db);
  let send: InternalCall | null = null;
  const exchanges = new WeakMap<Request, Exchange>();
  const takeTurn = messageTurns();

  const handler = createMcpHandler(
    async ({ requestInfo }) => {
      const exchange = requestInfo && exchanges.get(requestInfo);
      if (!exchange || !send) throw new Error("a request without a caller");
      return serverFor(send, exchange);
    },
    { onerror: (error) => log.debug({ err: error }, "the Model Context Protocol") },
  );

  function serverFor(on: InternalCall, exchange: Exchange): Server {
    const { caller } = exchange;
    const server = new Server(
      { name: "omoi", title: "Omoi", version: build.version },
      {
        capabilities: { tools: {}, resources: {} },
        instructions: instructionsFor(caller.actor),
      },
    );
    // Looked up for the messages about tools alone.
    const offeredTools = async (): Promise<readonly DescribedTool[]> => {
      const { orgIds } = await placesOf(caller.actor);
      const permissions = await permissionsIn(db, caller.actor, orgIds);
      return describedTools.filter(
        ({ call: { access } }) =>
          access === "signed-in" || access === "public" || permissions.has(access),
      );
    };
    server.setRequestHandler("tools/list", async () => {
      exchange.offered = await offeredTools();
      return { tools: [standIn] };
    });
    server.setRequestHandler("tools/call", async ({ params }) => {
      const tool = byName.get(params.name);
      if (!tool || !(await offeredTools()).includes(tool)) {
        throw new ProtocolError(
          ProtocolErrorCode.InvalidParams,
          `There is no tool ${params.name}, or its permission is missing.`,
        );
      }
      exchange.endTurn();
      return { ...(await callTool(on, tool, caller, params.arguments ?? {})) };
    });
    server.setRequestHandler("resources/list", () => ({ resources: [] }));
    server.setRequestHandler("resources/templates/list", () => ({
      resourceTemplates: [
        {
          name: "run-log",
          title: "The output of a run",
          uriTemplate: "omoi://runs/{run_id}/log",
          mimeType: "text/plain",
          description: "The last 5 000 lines",
        },
        {
          name: "workspace-diff",
          title: "The changes of a workspace",
          uriTemplate: "omoi://workspaces/{agent_id}/diff",
          mimeType: "text/x-diff",
          description: "Against its base branch, uncommitted changes included",
        },
      ],
    }));
    server.setRequestHandler("resources/read", async ({ params }) => {
      exchange.endTurn();
      const found = await readResource(on, caller, params.uri);
      if (!found) {
        throw new ProtocolError(
          ProtocolErrorCode.InvalidParams,
          `There is no resource ${params.uri}.`,
        );
      }
      return { contents: [found] };
    });
    return server;
  }

  /** Lets the library answer a message. */
  const exchangeMessage = async (
    { raw, body, headers, ip }: RawRequest,
    {
      actor,
      authorization,
      endTurn,
    }: Pick<Caller, "actor" | "authorization"> & Pick<Exchange, "endTurn">,
  ) => {
    const projectId = actor.agent === null ? null : (await placesOf(actor)).projectId;
    const caller = { actor, authorization, ip, userAgent: headers["user-agent"], projectId };
    // The library reads the parsed body alone.
    const web = new Request(new URL("/mcp", publicUrl()), {
      method: raw.method ?? "POST",
      headers: headersOf(headers),
    });
    const exchange: Exchange = { caller, offered: null, endTurn };
    exchanges.set(web, exchange);
    const response = await handler.fetch(web, { ...(body !== undefined && { parsedBody: body }) });
    const head = { status: response.status, headers: Object.fromEntries(response.headers) };
    if (!isList(body)) return { ...head, content: bodyOf(response) };
    const parts = insertTools(await response.text(), exchange.offered ?? [], caller);
    // A stream: the server would compress a text of this size for each request.
    return { ...head, content: Readable.from(parts) };
  };

  const serve = async (request: RawRequest): Promise<Answer<unknown>> => {
    const { authorization } = request.headers;
    if (authorization === undefined) throw unauthenticated();
    const actor = await authenticate(request, credentials, publicUrl);
    const limits = actor.key ? await credentials.consumeRateLimit(actor.key) : {};
    const problem = request.raw.method === "POST" ? problemOf(request.body) : null;
    if (problem !== null) return new Answer(problem, { status: 400, headers: limits });
    const endTurn = await takeTurn(ownerOf(actor));
    try {
      const { status, headers, content } = await exchangeMessage(request, {
        actor,
        authorization,
        endTurn,
      });
      return new Answer(content, { status, headers: { ...headers, ...limits } });
    } finally {
      endTurn(isList(request.body) ? "a list" : undefined);
    }
  };

  const metadata = async (): Promise<Answer<unknown>> => new Answer(metadataOf(publicUrl()));

  const routes = rawRoutes(
    [
      { method: ["GET", "POST", "DELETE"], path: "/mcp", handle: serve },
      { method: "GET", path: METADATA, handle: metadata },
      { method: "GET", path: `${METADATA}/mcp`, handle: metadata },
    ],
    { toError: (error) => withMetadata(error, publicUrl()) },
  );
  return {
    routes: (instance, options) => {
      send = internalCallOf(instance, options.secret);
      routes(instance, options);
    },
    close: () => handler.close(),
  };
}

/**
 * Returns the error of a body that is not one message; null for one, which the library then checks. A batch would be
 * answered with many times its size, and its messages would count as one.
 */
function problemOf(body: unknown): object | null {
  const refusal = (code: number, message: string): object => ({
    jsonrpc: "2.0",
    error: { code, message },
    id: null,
  });
  if (body === undefined) return refusal(-32_700, "The body is empty; send one message as JSON.");
  return Array.isArray(body)
    ? refusal(-32_600, "Batches are not accepted; send each message in a request of its own.")
    : null;
}

/** Whether a message asks for the tools. */
function isList(body: unknown): boolean {
  return (body as { method?: unknown } | undefined)?.method === "tools/list";
}

/** Returns the owner of a turn: the organization of an agent or a service account, or the person. */
function ownerOf(actor: Actor): string {
  const orgId = isPerson(actor) ? undefined : actor.key?.scopes[0]?.split(":")[1];
  return orgId ?? actor.userId;
}

function headersOf(headers: RawRequest["headers"]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || name === "content-length" ? [] : [[name, String(value)]],
    ),
  );
}

/** The permissions that a caller holds in any of its organizations. */
async function permissionsIn(
  db: Database,
  actor: Actor,
  orgIds: readonly string[],
): Promise<ReadonlySet<string>> {
  const held = new Set<string>();
  for (const orgId of orgIds) {
    const access = await resolveAccess(db, actor, "org_id", orgId);
    if (access) for (const permission of permissionsOf(access)) held.add(permission);
  }
  return held;
}
