import {
  createMcpHandler,
  ProtocolError,
  ProtocolErrorCode,
  Server,
} from "@modelcontextprotocol/server";
import { permissionsOf } from "../../access/access.js";
import { authenticate, unauthenticated, type Actor } from "../../access/authenticate.js";
import { resolveAccess } from "../../access/authorize.js";
import { AppError } from "../../errors.js";
import { Answer } from "../../http/answers/answer.js";
import { internalCallOf, type InternalCall } from "../../http/requests/internal-call.js";
import { rawRoutes, type RawRequest } from "../../http/raw-routes.js";
import type { Routes } from "../../http/register-routes.js";
import type { Services } from "../services.js";
import { bodyOf, callTool, ownIds, readResource, type Caller } from "./call-tool.js";
import { describedTools, type DescribedTool } from "./describe-tools.js";
import { agentProject, organizationIds } from "./mcp.queries.js";

/** The path of the metadata about authentication (RFC 9728). */
const METADATA = "/.well-known/oauth-protected-resource";

const byName = new Map(describedTools.map((tool) => [tool.definition.name, tool]));

/**
 * The Model Context Protocol over Streamable HTTP, without sessions: each request is served by a server object of
 * its own, for clients of the protocol of 2026-07-28 and of those before. The credential is a bearer token; a
 * cookie does not count.
 */
export function createMcp(services: Services): { routes: Routes; close: () => Promise<void> } {
  const { db, credentials, publicUrl, build, log } = services;
  let send: InternalCall | null = null;
  const callers = new WeakMap<Request, Caller>();

  const handler = createMcpHandler(
    async ({ requestInfo }) => {
      const caller = requestInfo && callers.get(requestInfo);
      if (!caller || !send) throw new Error("a request without a caller");
      return serverFor(send, caller);
    },
    { onerror: (error) => log.debug({ err: error }, "the Model Context Protocol") },
  );

  function serverFor(on: InternalCall, caller: Caller): Server {
    const isAgent = caller.actor.agent !== null;
    const server = new Server(
      { name: "omoi", title: "Omoi", version: build.version },
      {
        capabilities: { tools: {}, resources: {} },
        instructions: isAgent
          ? "You are an agent of Omoi. agent_id and project_id are your own unless you give others."
          : "Omoi runs coding agents, each in an isolated git workspace. Start with list_projects and list_work.",
      },
    );
    // Looked up for the messages about tools alone.
    const offeredTools = async (): Promise<readonly DescribedTool[]> => {
      const permissions = await permissionsIn(services, caller.actor);
      return describedTools.filter(
        ({ call: { access } }) =>
          access === "signed-in" || access === "public" || permissions.has(access),
      );
    };
    server.setRequestHandler("tools/list", async () => ({
      tools: (await offeredTools()).map((tool) => forCaller(tool, caller)),
    }));
    server.setRequestHandler("tools/call", async ({ params }) => {
      const tool = byName.get(params.name);
      if (!tool || !(await offeredTools()).includes(tool)) {
        throw new ProtocolError(
          ProtocolErrorCode.InvalidParams,
          `There is no tool ${params.name}, or its permission is missing.`,
        );
      }
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

  const serve = async (request: RawRequest): Promise<Answer<unknown>> => {
    const { authorization } = request.headers;
    if (authorization === undefined) throw unauthenticated();
    const actor = await authenticate(request, credentials, publicUrl);
    if (actor.key?.perMinute != null) await credentials.consumeRateLimit(actor.key);
    const projectId = actor.agent === null ? null : await agentProject(db, actor.agent.id);
    const web = new Request(new URL("/mcp", publicUrl()), {
      method: request.raw.method ?? "POST",
      headers: headersOf(request),
      ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
    });
    callers.set(web, {
      actor,
      authorization,
      ip: request.ip,
      userAgent: request.headers["user-agent"],
      projectId,
    });
    const response = await handler.fetch(web, {
      ...(request.body !== undefined && { parsedBody: request.body }),
    });
    return new Answer(bodyOf(response), {
      status: response.status,
      headers: Object.fromEntries(response.headers),
    });
  };

  const metadata = async (): Promise<Answer<unknown>> =>
    new Answer({
      resource: `${publicUrl()}/mcp`,
      resource_name: "Omoi",
      bearer_methods_supported: ["header"],
      resource_documentation: `${publicUrl()}/docs/how-to/mcp.md`,
    });

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
      send = internalCallOf(instance);
      routes(instance, options);
    },
    close: () => handler.close(),
  };
}

/** Says in a 401 where the metadata is (RFC 9728, section 5.1). */
function withMetadata(error: unknown, url: string): unknown {
  if (!(error instanceof AppError) || error.status !== 401) return error;
  const challenge = error.extra.headers?.["www-authenticate"] ?? "Bearer";
  const separator = challenge === "Bearer" ? " " : ", ";
  return new AppError(error.code, error.message, {
    ...error.extra,
    headers: {
      ...error.extra.headers,
      "www-authenticate": `${challenge}${separator}resource_metadata="${url}${METADATA}"`,
    },
  });
}

function headersOf({ headers }: RawRequest): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || name === "content-length" ? [] : [[name, String(value)]],
    ),
  );
}

/** The definition of a tool for its caller: an agent need not name itself. */
function forCaller({ definition }: DescribedTool, caller: Caller): DescribedTool["definition"] {
  const own = Object.keys(ownIds(caller));
  if (own.length === 0) return definition;
  const { inputSchema } = definition;
  return {
    ...definition,
    inputSchema: {
      ...inputSchema,
      required: inputSchema.required.filter((field) => !own.includes(field)),
    },
  };
}

/** The permissions that a caller holds in any of its organizations. */
async function permissionsIn({ db }: Services, actor: Actor): Promise<ReadonlySet<string>> {
  const held = new Set<string>();
  for (const orgId of await organizationIds(db, actor)) {
    const access = await resolveAccess(db, actor, "org_id", orgId);
    if (access) for (const permission of permissionsOf(access)) held.add(permission);
  }
  return held;
}
