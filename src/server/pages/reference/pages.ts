import { errorExplanations } from "#shared/error-explanations.js";
import { errorCodes, type ErrorCode } from "#shared/errors.js";
import { callsOf, type Call, type OpenApi, type Tag } from "./document.js";
import { callView } from "./call-view.js";
import { escape, jsonBlock, pathCode, prose } from "./html.js";
import { layout } from "./layout.js";
import { fieldsView } from "./schema-view.js";
import { search } from "./search.js";

/** Returns the overview: the groups with their calls. */
export function overviewPage(document: OpenApi): string {
  const calls = callsOf(document);
  const groups = document.tags.map((tag) => {
    const own = calls.filter(({ tags }) => tags[0] === tag.name);
    return `<section><h2 id="${tag.name}"><a href="/api/docs/${tag.name}">${escape(tag["x-displayName"])}</a></h2><p>${prose(tag.description)}</p>${callList(own)}</section>`;
  });
  const example = calls.filter(({ operationId }) => operationId === "organizations.create");
  const shown = example.map((call) => callView(call, document)).join("");
  const body = `<p>Send an access token or an API key as <code>Authorization: Bearer …</code>. The rules of all calls are in <a href="/docs/reference/api-conventions.md">API conventions</a>; the <a href="/api/v1/openapi.json">OpenAPI document</a> generates clients.</p><p>The page of each call has its <code>curl</code> command, the fields of its request and answers, and its errors. An example:</p>${shown}${groups.join("")}`;
  return layout(document, { title: "API reference", path: "", body });
}

/** Returns the calls of a group with everything about them. */
export function tagPage(document: OpenApi, tag: Tag): string {
  const calls = callsOf(document).filter(({ tags }) => tags[0] === tag.name);
  const views = calls.map((call) => callView(call, document));
  const body = `<p>${prose(tag.description)}</p>${callList(calls)}${views.join("")}`;
  return layout(document, { title: tag["x-displayName"], path: `/${tag.name}`, body });
}

/** Returns the named schemas of answers and events, each with its fields and an example. */
export function schemasPage(document: OpenApi): string {
  const shown = Object.entries(document.components.schemas).filter(
    ([name]) => !name.endsWith("Body"),
  );
  const index = shown.map(([name]) => `<li><a href="#${name}">${name}</a></li>`);
  const views = shown.map(
    ([name, schema]) =>
      `<section class="call" id="${name}"><h2><a href="#${name}">${name}</a></h2><p>${prose(schema.description ?? "")}</p>
<div class="columns"><div>${fieldsView(schema, document)}</div><div class="examples"><h3>Example</h3>${jsonBlock(schema.examples?.[0])}</div></div></section>`,
  );
  const body = `<p>The objects in answers and in events. Bodies of requests are described with their calls.</p><ul class="index">${index.join("")}</ul>${views.join("")}`;
  return layout(document, { title: "Schemas", path: "/schemas", body });
}

/** Returns the explanations of all error codes, each at its anchor. */
export function errorsPage(document: OpenApi): string {
  const codes = Object.entries(errorCodes).toSorted(
    ([left, [first]], [right, [second]]) => first - second || (left < right ? -1 : 1),
  );
  const views = codes.map(([code, [status, title]]) => {
    const { meaning, remedy } = errorExplanations[code as ErrorCode];
    return `<section class="call" id="${code}"><h2><a href="#${code}">${escape(title)}</a></h2><p class="line"><span class="status error">${status}</span> <code>${code}</code></p><p>${prose(meaning)}</p><p>${prose(remedy)}</p></section>`;
  });
  const body = `<p>An error is <code>application/problem+json</code> (<a href="https://www.rfc-editor.org/rfc/rfc9457">RFC 9457</a>). Its <code>code</code> never changes; its <code>type</code> is the address of the code on this page; <code>detail</code> says what to do in the case at hand.</p>${jsonBlock(document.components.schemas["Problem"]?.examples?.[0])}${views.join("")}`;
  return layout(document, { title: "Errors", path: "/errors", body });
}

/** Returns the calls, schemas and errors that match a text. */
export function searchPage(document: OpenApi, query: string): string {
  const { calls, schemas, codes } = search(document, query);
  const total = calls.length + schemas.length + codes.length;
  const part = (title: string, content: string, count: number): string =>
    count === 0 ? "" : `<section><h2>${title}</h2>${content}</section>`;
  const links = (items: readonly string[], page: string): string =>
    `<ul>${items.map((item) => `<li><a href="/api/docs/${page}#${item}"><code>${item}</code></a></li>`).join("")}</ul>`;
  const body = `<p role="status">${total === 0 ? "No results" : `${total} result${total === 1 ? "" : "s"}`} for “${escape(query)}”.</p>${[
    part("Calls", callList(calls), calls.length),
    part("Schemas", links(schemas, "schemas"), schemas.length),
    part("Errors", links(codes, "errors"), codes.length),
  ].join("")}`;
  return layout(document, { title: "Search", path: "?", body, query });
}

function callList(calls: readonly Call[]): string {
  const rows = calls.map(
    ({ method, path, summary, operationId, tags }) =>
      `<li><a href="/api/docs/${tags[0]}#${operationId}"><span class="method ${method.toLowerCase()}">${method}</span> ${pathCode(path)}</a> <span>${prose(summary)}</span></li>`,
  );
  return `<ul class="calls">${rows.join("")}</ul>`;
}
