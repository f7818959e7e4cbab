import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { organization } from "#shared/api/organization/organizations.js";
import { type FirstAnswer, firstAnswersId } from "#shared/first-answers.js";
import { pages } from "#shared/pages.js";
import "#test/support/server/built-files.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  makeAgent,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { problemOf, send } from "#test/support/http/raw-request.js";

describe("pages", () => {
  let app: TestApp;
  let owner: TestPerson;
  let cookie: string;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    cookie = await cookieOf(owner);
  });

  /** Signs in and returns the browser's cookies. */
  async function cookieOf({ email, password }: TestPerson): Promise<string> {
    const { headers } = await send(app, "POST", "/api/v1/auth/login", {
      body: { email, password },
    });
    return headers
      .getSetCookie()
      .map((cookie) => cookie.split(";")[0])
      .join("; ");
  }

  async function open(path: string, sent?: string) {
    const page = await send(app, "GET", path, {
      headers: { accept: "text/html", ...(sent === undefined ? {} : { cookie: sent }) },
    });
    const [, json] = new RegExp(`id="${firstAnswersId}">([^<]*)</script>`).exec(page.text) ?? [];
    const answers = json === undefined ? undefined : (JSON.parse(json) as FirstAnswer[]);
    const since = / data-since="([^"]+)"/.exec(page.text)?.[1];
    return { ...page, since, answers, paths: answers?.map(({ path: asked }) => asked) };
  }

  test("contain the responses to their first requests, equal to the API's", async () => {
    const org = await makeOrganization(owner);
    const project = await makeProject(owner, org.id);
    const agent = await makeAgent(owner, project.id);
    await owner.api.workspaces.create({ params: { agent_id: agent.id } });
    const page = await open(`/agents/${agent.id}/workspace`, cookie);
    expect(page.status).toBe(200);
    expect(page.headers.get("cache-control")).toBe("no-store");
    expect(page.paths).toEqual([
      "/api/v1/auth/me",
      "/api/v1/organizations?limit=200",
      `/api/v1/agents/${agent.id}`,
      `/api/v1/agents/${agent.id}/workspace`,
      `/api/v1/organizations/${org.id}`,
      `/api/v1/organizations/${org.id}/permissions`,
      `/api/v1/projects/${project.id}`,
    ]);
    for (const answer of page.answers ?? []) {
      const asked = await send(app, "GET", answer.path, { headers: { cookie } });
      expect(JSON.parse(answer.body)).toEqual(JSON.parse(asked.text));
      // A long response is compressed, which makes its ETag weak (RFC 9110, 8.8.1).
      const etag = asked.headers.get("etag")?.replace(/^W\//, "");
      expect(answer.headers["etag"]).toBe(etag);
    }
  });

  test("use the ids of earlier responses for later requests", async () => {
    const newcomer = await app.person("newcomer");
    const org = await makeOrganization(newcomer);
    const project = await makeProject(newcomer, org.id);
    await makeAgent(newcomer, project.id);
    const { agent } = await makeWorkspace(newcomer, project.id);
    const { paths } = await open("/welcome", await cookieOf(newcomer));
    expect(paths?.slice(2)).toEqual([
      "/api/v1/auth/api-keys?limit=200",
      `/api/v1/projects?limit=200&organization_id=${org.id}`,
      `/api/v1/agents?limit=200&organization_id=${org.id}`,
      `/api/v1/agents/${agent.id}/workspace`,
    ]);
  });

  test("of a commit contain its diff if it is short", async () => {
    const org = await makeOrganization(owner);
    const project = await makeProject(owner, org.id);
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const carriesDiff = async (lines: number): Promise<boolean | undefined> => {
      const { commit_sha: sha } = await commitFiles(owner, workspace, {
        [`${lines}.txt`]: "a\n".repeat(lines),
      });
      const path = `/agents/${agent.id}/workspace/commits/${sha}`;
      const { paths } = await open(path, cookie);
      expect(paths).toContain(`/api/v1${path}`);
      return paths?.includes(`/api/v1${path}/diff`);
    };
    expect(await carriesDiff(1000)).toBe(true);
    expect(await carriesDiff(1001)).toBe(false);
  });

  test("name the event after which their responses may be outdated", async () => {
    const org = await makeOrganization(owner);
    const { since } = await open(`/organizations/${org.id}`, cookie);
    const project = await makeProject(owner, org.id);
    const stop = new AbortController();
    const url = `${app.url}/api/v1/organizations/${org.id}/events?last_event_id=${since}`;
    const stream = await fetch(url, { headers: { cookie }, signal: stop.signal });
    let text = "";
    for await (const bytes of stream.body ?? []) {
      text += Buffer.from(bytes).toString("utf8");
      if (text.includes(project.id)) break;
    }
    stop.abort();
    expect(text).not.toContain("event: reset");
  });

  test("of an organization resolve its slug to its id", async () => {
    const org = await makeOrganization(owner);
    const { paths } = await open(`/organizations/${org.slug}/settings`, cookie);
    expect(paths?.slice(2)).toEqual([
      `/api/v1/organizations/${org.slug}`,
      `/api/v1/organizations/${org.id}/permissions`,
    ]);
  });

  test("contain nothing of another organization, like the API's responses", async () => {
    const stranger = await app.person("stranger");
    const org = await makeOrganization(stranger);
    const project = await makeProject(stranger, org.id);
    for (const path of [`/organizations/${org.id}`, `/projects/${project.id}`]) {
      const { status, paths, text } = await open(path, cookie);
      expect(status).toBe(200);
      expect(
        paths?.filter((request) => !request.includes("auth/me") && !request.includes("limit=200")),
      ).toEqual([]);
      expect(text).not.toContain(org.slug);
    }
  });

  test("contain no data for anonymous visitors", async () => {
    for (const sent of [undefined, "omoi_signed_in=1", "omoi_signed_in=1; omoi_session=wrong"]) {
      const { status, answers } = await open("/organizations", sent);
      expect([status, answers ?? []]).toEqual([200, []]);
    }
    const { headers, text } = await open("/login", cookie);
    expect(headers.get("cache-control")).toBe("no-cache");
    expect(text).not.toContain(firstAnswersId);
  });

  test("embed names that look like markup as data", async () => {
    const name = "</script><script>alert(1)</script><!--";
    const { data: org } = await owner.api.organizations.create({ body: { name, slug: "markup" } });
    const { text, answers } = await open(`/organizations/${org.id}`, cookie);
    expect(text).not.toContain("alert(1)</script>");
    const details = answers?.find(({ path }) => path.endsWith(org.id));
    expect(JSON.parse(details?.body ?? "{}")).toMatchObject({ name });
  });

  test("are served only at their own addresses; every other address is 404", async () => {
    for (const path of ["/", "/login", "/organizations/x/", "/projects/x?tab=merges"]) {
      const { status, headers } = await send(app, "GET", path);
      expect([path, status, headers.get("content-type")]).toEqual([
        path,
        200,
        "text/html; charset=utf-8",
      ]);
    }
    const nowhere = ["/openapi.json", "/git", "/api", "/.well-known/x"];
    for (const path of [...nowhere, "/favicon.png", "/assets/none.js", "/nowhere", "//", "/a//b"]) {
      expect([path, problemOf(await send(app, "GET", path)).code]).toEqual([path, "not_found"]);
    }
    // A browser gets the app, which shows that the page does not exist, except under the addresses of
    // the API or files.
    const browser = { headers: { accept: "text/html,application/xhtml+xml" } };
    const page = await send(app, "GET", "/nowhere", browser);
    expect([page.status, page.headers.get("content-type")]).toEqual([
      404,
      "text/html; charset=utf-8",
    ]);
    for (const path of nowhere) {
      expect([path, problemOf(await send(app, "GET", path, browser)).status]).toEqual([path, 404]);
    }
  });

  test("load no descriptions of the API's fields", async () => {
    const assets = join(import.meta.dirname, "../../../dist/web/assets");
    const scripts = (await readdir(assets)).filter((name) => name.endsWith(".js"));
    for (const name of scripts) {
      const text = await readFile(join(assets, name), "utf8");
      expect([name, text.includes(organization.shape.slug.description ?? "?")]).toEqual([
        name,
        false,
      ]);
    }
  });

  test("link to their own scripts", async () => {
    const scriptsOf = async (path: string): Promise<string[]> => {
      const { text } = await open(path, cookie);
      return Array.from(
        text.matchAll(/modulepreload" crossorigin href="\/assets\/(\w+)-/g),
        ([, script = ""]) => script,
      );
    };
    const common = await scriptsOf("/nowhere/at/all");
    const path = (pattern: string): string => pattern.replaceAll(/\$\w+/g, "x");
    const names = await Promise.all(
      Object.values(pages).map(async ({ path: pattern }) => {
        const own = (await scriptsOf(path(pattern))).filter((script) => !common.includes(script));
        expect(own.length).toBeGreaterThan(0);
        return own.find((script) => script.endsWith("Page"));
      }),
    );
    expect(new Set(names).size).toBe(names.length);
  });
});
