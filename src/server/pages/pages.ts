import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { MaintenanceState } from "#shared/api/operation/maintenance.js";
import {
  type FirstAnswer,
  firstAnswersId,
  maintenanceId,
  signedInMarker,
} from "#shared/first-answers.js";
import { learn, requestOf, roundsOf, type SourceName, sources } from "#shared/page-data.js";
import { dataOf, pageAt } from "#shared/pages.js";
import { isUuid } from "#shared/uuid.js";
import { pathOf } from "../http/server/supported-methods.js";

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
 * @param waitMs how long a page waits for them; the browser requests late ones itself
 */
export async function openPages(
  app: FastifyInstance,
  folder: string,
  position: () => string,
  waitMs: number,
): Promise<(request: FastifyRequest) => { isPersonal: boolean; parts: AsyncIterable<string> }> {
  const file = await readPageFile(folder);
  return (request) => {
    const pathname = pathOf(request);
    const mayBeSignedIn = request.cookies[signedInMarker] !== undefined;
    const page = pageAt(pathname, mayBeSignedIn);
    const scripts = (page.name && file.scripts[page.name]) ?? [];
    async function* parts(): AsyncIterable<string> {
      const maintenance = maintenanceBlock(app, request, Date.now() + waitMs);
      yield file.head + scripts.map(preload).join("") + file.body;
      if (!page.isPublic) {
        // Taken before the first response, so that the page misses no event.
        const since = position();
        yield dataBlock(since, await answersTo(app, request, page, Date.now() + waitMs));
      }
      yield (await maintenance) + file.end;
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
  const json = escaped(JSON.stringify(answers));
  return `<script type="application/json" data-since="${since}" id="${firstAnswersId}">${json}</script>`;
}

const escaped = (json: string): string => json.replaceAll("<", "\\u003c");

/** Returns the data block of a maintenance; empty outside of one. */
async function maintenanceBlock(
  app: FastifyInstance,
  request: FastifyRequest,
  until: number,
): Promise<string> {
  const answer = await askOne(app, request, "/maintenance", until);
  if (answer === undefined || !(JSON.parse(answer.body) as MaintenanceState).active) return "";
  return `<script type="application/json" id="${maintenanceId}">${escaped(answer.body)}</script>`;
}

async function answersTo(
  app: FastifyInstance,
  request: FastifyRequest,
  { name: page, variables: known }: ReturnType<typeof pageAt>,
  until: number,
): Promise<FirstAnswer[]> {
  const me = await askOne(app, request, "/auth/me", until);
  if (me === undefined) return [];
  const answers = [me];
  const { isOfCurrent = false, load = [], parts = [] } = page ? dataOf(page) : {};
  const askAll = async (waiting: Set<SourceName>): Promise<void> => {
    for (const round of roundsOf(waiting, known)) {
      const asked = await Promise.all(
        round.map(async (name) => {
          const answer = await askOne(app, request, requestOf(name, known) ?? "", until);
          return answer && { name, answer };
        }),
      );
      for (const { name, answer } of asked.filter((page) => page !== undefined)) {
        answers.push(answer);
        const told: unknown = JSON.parse(answer.body);
        learn(known, name, told);
        // The first organization is the current one unless the user has switched.
        const [first] = name === "organizations" && isOfCurrent ? (told as { id: string }[]) : [];
        if (first) known.set("orgId", first.id);
      }
    }
  };
  const wanted = new Set<SourceName>(["organizations", ...load, ...parts]);
  for (const name of wanted) if (name === "me" || !sources[name].isSent) wanted.delete(name);
  const orgId = known.get("orgId");
  if (orgId !== undefined && !isUuid(orgId)) {
    // A slug, which only the organization's own path may have.
    const first = new Set<SourceName>(["organizations", "organization"]);
    for (const name of first) wanted.delete(name);
    await askAll(first);
  }
  await askAll(wanted);
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
