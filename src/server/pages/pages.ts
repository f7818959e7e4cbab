import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { type FirstAnswer, firstAnswersId } from "#shared/first-answers.js";
import { pageAt } from "#shared/pages.js";
import { preloads } from "./preloads.js";
import { signedInMarker } from "#shared/signed-in-marker.js";
import { pathOf } from "../http/server/supported-methods.js";

/** How long a page waits for a response of the API. The page requests late ones itself. */
const timeoutMs = 500;

/** Headers by which the API identifies the caller and the client's address. */
const sentHeaders = [
  "cookie",
  "host",
  "user-agent",
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-forwarded-host",
];

/** Response headers that the pages read. */
const keptHeaders = ["content-type", "etag", "link"];

interface PageFile {
  /** HTML before the links to a page's own scripts. */
  head: string;
  body: string;
  end: string;
  /** Scripts by page name. Scripts of all pages are part of the head. */
  scripts: Record<string, readonly string[]>;
}

/**
 * Prepares the HTML of each page: with links to the scripts of the page and, for a signed-in user, with
 * the API's responses to its first requests. The server requests them from its own API with the
 * browser's cookies, so that they equal the responses that the browser would get.
 * @param position of the event streams, from which the page continues after these responses
 */
export async function openPages(
  app: FastifyInstance,
  folder: string,
  position: () => string,
): Promise<(request: FastifyRequest) => { isPersonal: boolean; parts: AsyncIterable<string> }> {
  const file = await readPageFile(folder);
  return (request) => {
    const pathname = pathOf(request);
    const mayBeSignedIn = request.cookies[signedInMarker] !== undefined;
    const page = pageAt(pathname, mayBeSignedIn);
    const scripts = (page.name && file.scripts[page.name]) ?? [];
    async function* parts(): AsyncIterable<string> {
      yield file.head + scripts.map(preload).join("") + file.body;
      if (!page.isPublic) {
        // Taken before the first response, so that the page misses no event.
        const since = position();
        yield dataBlock(since, await answersTo(app, request, page));
      }
      yield file.end;
    }
    return { isPersonal: !page.isPublic, parts: parts() };
  };
}

async function readPageFile(folder: string): Promise<PageFile> {
  const html = await readFile(join(folder, "index.html"), "utf8");
  const scripts = JSON.parse(await readFile(join(folder, "scripts.json"), "utf8")) as unknown;
  const [head, rest] = cut(html, "</head>");
  const [body, end] = cut(rest, "</body>");
  return { head, body, end, scripts: scripts as PageFile["scripts"] };
}

/** Splits a text before the mark. */
function cut(text: string, mark: string): [before: string, after: string] {
  const at = text.indexOf(mark);
  if (at < 0) throw new Error(`the web app's index.html has no ${mark}; build it again`);
  return [text.slice(0, at), text.slice(at)];
}

function preload(script: string): string {
  return `<link rel="modulepreload" crossorigin href="/${script}">`;
}

/**
 * Returns a data block, which the content security policy need not allow: browsers do not run it, and
 * escaping keeps its content from ending the element.
 */
function dataBlock(since: string, answers: readonly FirstAnswer[]): string {
  const json = JSON.stringify(answers).replaceAll("<", "\\u003c");
  return `<script type="application/json" data-since="${since}" id="${firstAnswersId}">${json}</script>`;
}

async function answersTo(
  app: FastifyInstance,
  request: FastifyRequest,
  { name: page, variables }: ReturnType<typeof pageAt>,
): Promise<FirstAnswer[]> {
  const [first = [], ...steps] = (page && preloads[page]) ?? [];
  const known = new Map(variables);
  const until = Date.now() + timeoutMs;
  const askAll = async (asks: readonly string[]): Promise<FirstAnswer[]> => {
    const paths = asks
      .map((ask) => ask.replaceAll(/\$\w+/g, (name) => known.get(name) ?? name))
      .filter((path) => !path.includes("$"));
    const asked = await Promise.all(paths.map((path) => askOne(app, request, path, until)));
    const answers = asked.filter((answer) => answer !== undefined);
    for (const answer of answers) learn(known, answer);
    return answers;
  };
  const me = await askOne(app, request, "/auth/me", until);
  if (me === undefined) return [];
  const answers = [me, ...(await askAll(["/organizations?limit=200", ...first]))];
  for (const step of steps) answers.push(...(await askAll(step)));
  return answers;
}

/** Returns the API's response; undefined for an error or a timeout, which the page handles itself. */
async function askOne(
  app: FastifyInstance,
  request: FastifyRequest,
  path: string,
  until: number,
): Promise<FirstAnswer | undefined> {
  const url = `/api/v1${path}`;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, until - Date.now(), undefined);
  });
  const sent = sentHeaders.map((name) => [name, request.headers[name]] as const);
  const asked = app.inject({
    url,
    ...(request.socket.remoteAddress === undefined
      ? {}
      : { remoteAddress: request.socket.remoteAddress }),
    headers: Object.fromEntries(sent.filter(([, value]) => value !== undefined)),
  });
  const answer = await Promise.race([asked, late]).catch(() => undefined);
  clearTimeout(timer);
  if (answer?.statusCode !== 200) return undefined;
  const headers = keptHeaders.flatMap((name) => {
    const value = answer.headers[name];
    return value === undefined ? [] : [[name, String(value)] as const];
  });
  return { path: url, headers: Object.fromEntries(headers), body: answer.body };
}

/** Maximum number of changed lines. A larger diff would delay the page. */
const shortDiff = 1000;

/** Fields of a response that hold ids for the next requests. */
interface Known {
  id?: string;
  organization_id?: string;
  project_id?: string;
  workspace_branch?: string | null;
  commit_sha?: string;
  additions?: number;
  deletions?: number;
}

function learn(known: Map<string, string>, { path, body }: FirstAnswer): void {
  const learned = JSON.parse(body) as Known | Known[];
  const set = (name: string, value: string | undefined): void => {
    if (value !== undefined) known.set(name, value);
  };
  if (Array.isArray(learned)) {
    if (path.startsWith("/api/v1/organizations?")) set("$firstOrgId", learned[0]?.id);
    if (path.startsWith("/api/v1/agents?"))
      set("$firstAgentId", learned.find(({ workspace_branch }) => workspace_branch)?.id);
    return;
  }
  set("$orgId", path.startsWith("/api/v1/organizations/") ? learned.id : learned.organization_id);
  set("$projectId", learned.project_id);
  const { additions = 0, deletions = 0 } = learned;
  if (additions + deletions <= shortDiff) set("$shortSha", learned.commit_sha);
}
