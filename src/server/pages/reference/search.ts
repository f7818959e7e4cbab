import { errorExplanations } from "#shared/error-explanations.js";
import { errorCodes, type ErrorCode } from "#shared/errors.js";
import {
  callsOf,
  codesOf,
  resolveReply,
  resolveSchema,
  type Call,
  type OpenApi,
} from "./document.js";

interface Found {
  calls: Call[];
  schemas: string[];
  codes: string[];
}

/**
 * Finds the calls, schemas and error codes that contain every word of a query. Calls whose address or
 * summary match come first.
 */
export function search(document: OpenApi, query: string): Found {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (text: string): boolean => {
    const lower = text.toLowerCase();
    return words.length > 0 && words.every((word) => lower.includes(word));
  };
  const calls = callsOf(document);
  const titleOf = ({ method, path, summary, operationId }: Call): string =>
    `${method} ${path} ${summary} ${operationId}`;
  const exact = new Set(calls.filter((call) => matches(titleOf(call))));
  const others = calls.filter(
    (call) => !exact.has(call) && matches(`${titleOf(call)} ${contentOf(call, document)}`),
  );
  const { schemas } = document.components;
  return {
    calls: [...exact, ...others],
    schemas: Object.entries(schemas)
      .filter(([name, schema]) => !name.endsWith("Body") && matches(`${name} ${fieldsOf(schema)}`))
      .map(([name]) => name),
    codes: Object.keys(errorCodes).filter((code) => {
      const { meaning, remedy } = errorExplanations[code as ErrorCode];
      return matches(`${code} ${errorCodes[code as ErrorCode].join(" ")} ${meaning} ${remedy}`);
    }),
  };
}

/** The names of a call's parameters, fields of the body and error codes. */
function contentOf({ parameters, requestBody, responses }: Call, document: OpenApi): string {
  const names = parameters.map(({ name }) => name);
  const body = requestBody?.content["application/json"]?.schema;
  const fields = body === undefined ? "" : fieldsOf(resolveSchema(body, document));
  const codes = Object.values(responses).flatMap((reply) => codesOf(resolveReply(reply, document)));
  return [...names, fields, ...codes].join(" ");
}

function fieldsOf({
  properties = {},
  description = "",
}: {
  properties?: object;
  description?: string;
}) {
  return `${Object.keys(properties).join(" ")} ${description}`;
}
