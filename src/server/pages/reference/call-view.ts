import { errorCodes, type ErrorCode } from "#shared/errors.js";
import {
  codesOf,
  headerText,
  resolveParameter,
  resolveReply,
  resolveSchema,
  schemaName,
  type Call,
  type OpenApi,
  type Parameter,
  type Reply,
  type Schema,
} from "./document.js";
import { codeBlock, escape, jsonBlock, pathCode, prose } from "./html.js";
import { fieldsView, typeOf } from "./schema-view.js";

/** Returns everything about a call: request, answers, errors, and examples. */
export function callView(call: Call, document: OpenApi): string {
  const { operationId, method, path, summary, description } = call;
  const parameters = call.parameters.map((parameter) => resolveParameter(parameter, document));
  const of = (where: Parameter["in"]): Parameter[] =>
    parameters.filter((parameter) => parameter.in === where);
  return `<section class="call" id="${operationId}"><h2><a href="#${operationId}">${prose(summary)}</a></h2>
<p class="line"><span class="method ${method.toLowerCase()}">${method}</span> ${pathCode(path)}</p>
<p>${prose(description)}</p>
<div class="columns"><div>${[
    parametersView("Path", of("path")),
    parametersView("Query", of("query")),
    bodyView(call, document),
    parametersView("Request headers", of("header")),
    answersView(call, document),
    errorsView(call, document),
  ].join("")}</div><div class="examples">${examplesView(call, document)}</div></div></section>`;
}

function parametersView(title: string, parameters: readonly Parameter[]): string {
  if (parameters.length === 0) return "";
  const rows = parameters.map(
    ({ name, required, description, schema }) =>
      `<div class="field"><dt><code>${escape(name)}</code> <span class="type">${typeOf(schema)}</span>${
        required ? "" : ' <span class="optional">optional</span>'
      }</dt><dd>${prose(description)}${defaultOf(schema)}</dd></div>`,
  );
  return `<h3>${title}</h3><dl class="fields">${rows.join("")}</dl>`;
}

function defaultOf(schema: Schema): string {
  const { default: value } = schema;
  return value === undefined ? "" : ` (default <code>${escape(JSON.stringify(value))}</code>)`;
}

function bodyView({ requestBody }: Call, document: OpenApi): string {
  const media = requestBody?.content["application/json"];
  if (!requestBody || !media) return "";
  const optional = requestBody.required ? "" : ' <span class="optional">optional</span>';
  return `<h3>Body${optional}</h3>${fieldsView(media.schema, document)}`;
}

function answersView({ responses }: Call, document: OpenApi): string {
  const views = Object.entries(responses)
    .filter(([status]) => Number(status) < 400)
    .map(([status, reply]) => answerView(status, resolveReply(reply, document), document));
  return `<h3>Answers</h3>${views.join("")}`;
}

function answerView(
  status: string,
  { description, headers = {}, content = {} }: Reply,
  document: OpenApi,
): string {
  const types = Object.entries(content).map(([type, { schema }]) => {
    const text = type === "application/json" ? typeOf(schema) : prose(schema.description ?? "");
    const fields = fieldsView(schema, document);
    const name = schemaName(resolveItems(schema)) ?? "the answer";
    const details =
      fields === "" ? "" : `<details><summary>Fields of ${name}</summary>${fields}</details>`;
    return `<p><code>${escape(type)}</code> ${text}</p>${details}`;
  });
  const rows = Object.entries(headers).map(
    ([name, header]) =>
      `<div class="field"><dt><code>${escape(name)}</code></dt><dd>${prose(headerText(header, document))}</dd></div>`,
  );
  const listed =
    rows.length === 0
      ? ""
      : `<details><summary>Response headers</summary><dl class="fields">${rows.join("")}</dl></details>`;
  return `<div class="answer"><p><span class="status">${status}</span> ${prose(description)}</p>${types.join("")}${listed}</div>`;
}

const resolveItems = (schema: Schema): Schema => schema.items ?? schema;

function errorsView({ responses }: Call, document: OpenApi): string {
  const rows = Object.entries(responses)
    .filter(([status]) => Number(status) >= 400)
    .map(([status, reply]) => {
      const codes = codesOf(resolveReply(reply, document)).map(
        (code) =>
          `<a href="/api/docs/errors#${code}" title="${escape(errorCodes[code as ErrorCode][1])}">${code}</a>`,
      );
      return `<div class="field"><dt><span class="status error">${status}</span></dt><dd>${codes.join(", ")}</dd></div>`;
    });
  return `<details><summary>Errors</summary><dl class="fields errors">${rows.join("")}</dl></details>`;
}

function examplesView(call: Call, document: OpenApi): string {
  const body = call.requestBody?.content["application/json"]?.example;
  const [status, reply] = Object.entries(call.responses)[0] as [string, Reply];
  const answers = Object.entries(resolveReply(reply, document).content ?? {}).map(
    ([type, { schema, example }]) => {
      const shown =
        type === "application/json"
          ? jsonBlock(exampleOf(schema, document))
          : codeBlock(String(example), type);
      return `<h3>${status} <code>${escape(type)}</code></h3>${shown}`;
    },
  );
  return `<h3>Request</h3>${codeBlock(curlOf(call, document, body), "curl")}${answers.join("")}`;
}

/** Returns the example of an answer: that of its schema, in a list for a list. */
function exampleOf(schema: Schema, document: OpenApi): unknown {
  if (schema.items) return [exampleOf(schema.items, document)];
  const [example] = resolveSchema(schema, document).examples ?? [];
  return example ?? {};
}

/** Returns the command that makes the call, with the example values of its parameters. */
function curlOf(call: Call, document: OpenApi, body: unknown): string {
  const parameters = call.parameters.map((parameter) => resolveParameter(parameter, document));
  const valueOf = (name: string): string =>
    String(parameters.find((parameter) => parameter.name === name)?.example ?? name);
  const path = call.path.replaceAll(/\{(\w+)\}/g, (_match, name: string) =>
    encodeURIComponent(valueOf(name)),
  );
  const query = parameters
    .filter((parameter) => parameter.in === "query" && parameter.required)
    .map(({ name }) => `${name}=${encodeURIComponent(valueOf(name))}`);
  const search = query.length === 0 ? "" : `?${query.join("&")}`;
  const isStream = "text/event-stream" in (Object.values(call.responses)[0]?.content ?? {});
  return [
    `curl ${isStream ? "-N " : ""}${call.method === "GET" ? "" : `-X ${call.method} `}${quoted(`${document.servers[0].url}${path}${search}`)}`,
    ...(call.security.length === 0 ? [] : ['-H "Authorization: Bearer $OMOI_TOKEN"']),
    ...(isStream ? ["-H 'Accept: text/event-stream'"] : []),
    ...(body === undefined
      ? []
      : ["-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(body))}`]),
  ].join(" \\\n  ");
}

/** Quotes a word for a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
