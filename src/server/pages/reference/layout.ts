import type { OpenApi } from "./document.js";
import { escape } from "./html.js";

interface Page {
  title: string;
  /** The address below `/api/docs`, which the navigation marks. */
  path: string;
  body: string;
  /** The text that was searched for. */
  query?: string;
}

/** Returns a page of the reference with search and navigation. It works without scripts. */
export function layout(document: OpenApi, { title, path, body, query = "" }: Page): string {
  const link = (to: string, text: string): string =>
    `<li><a href="/api/docs${to}"${to === path ? ' aria-current="page"' : ""}>${escape(text)}</a></li>`;
  const links = [
    link("", "Overview"),
    ...document.tags.map((tag) => link(`/${tag.name}`, tag["x-displayName"])),
    link("/schemas", "Schemas"),
    link("/errors", "Errors"),
  ];
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(title)} · Omoi API</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/api/docs.css"></head><body>
<a class="skip" href="#main">Skip to content</a>
<header><a class="brand" href="/api/docs">Omoi API</a>
<form role="search" action="/api/docs" method="get"><input type="search" name="q" value="${escape(query)}" maxlength="100" aria-label="Search the API" placeholder="Search calls, fields and errors"><button>Search</button></form>
<a href="/docs/README.md">Documentation</a><a href="/api/v1/openapi.json">OpenAPI</a></header>
<div class="page"><nav aria-label="API reference"><ul>${links.join("")}</ul></nav>
<main id="main" tabindex="-1"><h1>${escape(title)}</h1>${body}</main></div></body></html>`;
}
