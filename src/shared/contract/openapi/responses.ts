import { errorExplanations } from "../../error-explanations.js";
import { errorCodes, type ErrorCode } from "../../errors.js";
import type { Endpoint, MediaType } from "../endpoint.js";
import { errorCodesOf } from "../error-codes-of.js";
import { errorHeaders, hasTag, headers, successHeaders } from "./headers.js";
import { place, schemaOf, type JsonObject, type Schemas } from "./schemas.js";

export const problemSchema: JsonObject = {
  type: "object",
  description: "An error; `detail` says what to do next (RFC 9457)",
  required: ["type", "title", "status", "detail", "code", "request_id"],
  properties: {
    type: {
      type: "string",
      format: "uri",
      description: "Address of a page that explains the code",
    },
    title: { type: "string", description: "A short summary, the same for all errors of a code" },
    status: { type: "integer", description: "The HTTP status" },
    detail: {
      type: "string",
      description: "What to do next, in one sentence for people, which may change",
    },
    code: {
      type: "string",
      enum: Object.keys(errorCodes),
      description: "The code of the error, which never changes",
    },
    request_id: {
      type: "string",
      format: "uuid",
      description: "Id of the request in the server's log, also in `X-Request-Id`",
    },
    errors: {
      type: "array",
      description: "The invalid fields of the request, with `validation_failed`",
      items: {
        type: "object",
        required: ["loc", "msg", "type"],
        properties: {
          loc: {
            type: "array",
            description: "The location, such as `body`, `slug`",
            items: { type: ["string", "integer"] },
          },
          msg: { type: "string", description: "What to enter, to be read after the field's name" },
          type: { type: "string", description: "The violated rule" },
        },
      },
    },
    missing_permissions: {
      type: "array",
      description: "Permissions that the caller lacks, with `insufficient_permission`",
      items: { type: "string" },
    },
    suggestion: {
      type: "string",
      description: "A value that would be accepted, with codes such as `slug_taken`",
    },
  },
  additionalProperties: true,
};

/** Returns an example of an error. */
export function problemExample(code: ErrorCode, serverUrl: string): JsonObject {
  const [status, title] = errorCodes[code];
  return {
    type: `${serverUrl}/api/docs/errors#${code}`,
    title,
    status,
    detail: errorExplanations[code].remedy,
    code,
    request_id: "01995b3e-1f40-7c1d-8f2a-5d3c9a7b6e10",
  };
}

/** The error responses that several calls share, by status and codes. */
export interface SharedErrors {
  names: Map<string, string>;
  responses: Record<string, JsonObject>;
}

const keyOf = (status: number, codes: readonly ErrorCode[]): string => `${status} ${codes.join()}`;
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** Returns the statuses of a call's errors with the codes of each. */
function errorsOf(endpoint: Endpoint): [status: number, codes: [ErrorCode, ...ErrorCode[]]][] {
  const byStatus = new Map<number, [ErrorCode, ...ErrorCode[]]>();
  for (const code of [...new Set(errorCodesOf(endpoint))].toSorted()) {
    const [status] = errorCodes[code];
    const codes = byStatus.get(status);
    if (codes) codes.push(code);
    else byStatus.set(status, [code]);
  }
  return [...byStatus];
}

/**
 * Names the errors that more than one call has, which make up most of the document: after their codes or,
 * where these are many, after the first call that has them.
 */
export function sharedErrors(
  calls: readonly (readonly [name: string, endpoint: Endpoint])[],
  serverUrl: string,
): SharedErrors {
  const shared: SharedErrors = { names: new Map(), responses: {} };
  const first = new Map<string, string>();
  for (const [call, endpoint] of calls) {
    for (const [status, codes] of errorsOf(endpoint)) {
      const key = keyOf(status, codes);
      const earlier = first.get(key);
      if (earlier === undefined) first.set(key, call);
      else if (!shared.names.has(key)) {
        const words = codes.flatMap((code) => code.split("_")).map(capital);
        const name = `Error${status}${codes.length > 2 ? `Of${earlier}` : words.join("")}`;
        shared.names.set(key, name);
        shared.responses[name] = errorResponse(status, codes, serverUrl);
      }
    }
  }
  return shared;
}

/** The error responses of a call: for each status the codes that it can have. */
export function errorResponsesOf(
  endpoint: Endpoint,
  { names }: SharedErrors,
  serverUrl: string,
): JsonObject {
  return Object.fromEntries(
    errorsOf(endpoint).map(([status, codes]) => {
      const name = names.get(keyOf(status, codes));
      return [
        status,
        name === undefined
          ? errorResponse(status, codes, serverUrl)
          : { $ref: `#/components/responses/${name}` },
      ];
    }),
  );
}

function errorResponse(
  status: number,
  codes: readonly [ErrorCode, ...ErrorCode[]],
  serverUrl: string,
): JsonObject {
  const schema = {
    allOf: [
      { $ref: `${place}Problem` },
      {
        type: "object",
        properties: { code: { enum: codes, description: "The codes of this status" } },
        required: ["code"],
      },
    ],
  };
  return {
    description: codes.map((code) => errorCodes[code][1]).join("; "),
    headers: errorHeaders(status),
    content: {
      "application/problem+json": { schema, example: problemExample(codes[0], serverUrl) },
    },
  };
}

/** The schemas of the events in streams, by the call's path. */
const eventSchemas: Readonly<Record<string, string>> = {
  "/api/v1/organizations/{org_id}/events": "OrganizationEvent",
  "/api/v1/tasks/{task_id}/events": "OrganizationEvent",
  "/api/v1/runs/{run_id}/logs": "LogEntry",
  "/api/v1/sessions/{session_id}/events": "SessionEvent",
};

/** The content of the other media types, with an example. */
const mediaTypes: Readonly<Record<MediaType, { description: string; example: string }>> = {
  "application/x-ndjson": {
    description: "Lines of JSON, each one an item",
    example: '{"sequence":1,"action":"organization.created"}\n',
  },
  "text/csv": {
    description: "The figures as CSV (RFC 4180) with a header line",
    example: "date,runtime_hours\r\n2026-11-26,7.2500\r\n",
  },
  "text/event-stream": {
    description: "Server-Sent Events, whose `data` is JSON",
    example: 'id: 42\nevent: log\ndata: {"stream":"stdout","text":"ok\\n"}\n\n',
  },
  "text/plain": { description: "Plain text in UTF-8", example: "npm test\nok\n" },
  "text/x-diff": {
    description: "A unified diff, as git prints it",
    example: "--- a/README.md\n+++ b/README.md\n@@ -1 +1 @@\n-Acme\n+Acme Corp\n",
  },
};

function successText({ method, query, response }: Endpoint, status: number): string {
  if (status === 201) return "Created; `Location` is its path";
  if (status === 202) return "Accepted; the work goes on";
  if (status === 204) return "Done; the response has no body";
  if (status === 302) return "A redirect, which the browser follows";
  if (method !== "GET") return "Done";
  if (response !== null && query !== null && "cursor" in query.shape) {
    return "A page of the list; `Link` names the next one";
  }
  return "The current state";
}

/** The responses of a call that succeeds. */
export function successResponsesOf(endpoint: Endpoint, schemas: Schemas): JsonObject {
  const { path, status, accepted, media, response } = endpoint;
  const json = (schema: NonNullable<Endpoint["response"]>): JsonObject => ({
    "application/json": { schema: schemaOf(schema, "output", schemas) },
  });
  const content = {
    ...(response && json(response)),
    ...Object.fromEntries(
      media.map((type) => {
        const { description: text, example } = mediaTypes[type];
        const event = type === "text/event-stream" ? eventSchemas[path] : undefined;
        const description = event === undefined ? text : `${text} of the schema \`${event}\``;
        return [type, { schema: { type: "string", description }, example }];
      }),
    ),
  };
  return {
    [status]: {
      description: successText(endpoint, status),
      headers: successHeaders(endpoint, status),
      ...(Object.keys(content).length > 0 && { content }),
    },
    ...(accepted && {
      202: {
        description: "Queued, because the body asks for it",
        headers: successHeaders(endpoint, 202),
        content: json(accepted),
      },
    }),
    ...(hasTag(endpoint) && {
      304: {
        description: "The answer that you have is current; the response has no body",
        headers: headers(["ETag", "XRequestId"]),
      },
    }),
  };
}
