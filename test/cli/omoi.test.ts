/** The built `omoi` as a process, against a real server. Further tests are in omoi.thorough.test.ts. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  makeAgent,
  makeOrganization,
  makeProject,
  makeWorkspace,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { makeRemote } from "#test/support/runners/remote-workspaces.js";
import { makeRunner } from "#test/support/runners/runners.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { openCli, signedInCli, type SignedInCli } from "#test/support/server/signed-in-cli.js";

let app: TestApp;
let ada: TestPerson;
let cli: SignedInCli;
let orgSlug: string;

beforeAll(async () => {
  app = await startTestApp({}, "real");
  ada = await app.person("ada");
  orgSlug = (await makeOrganization(ada)).slug;
  cli = await signedInCli(app.url, ada);
});
afterAll(async () => {
  cli.close();
  await app.close();
});

const jsonOf = async <Value>(...args: string[]): Promise<Value> => {
  const { code, out, err } = await cli.run(...args, "--json");
  expect([code, err]).toEqual([0, ""]);
  return JSON.parse(out) as Value;
};

describe("signing in", () => {
  test("keeps the token in a file of its owner alone, and chooses the only organization", async () => {
    const path = join(cli.home, ".config/omoi/config.json");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const config = JSON.parse(readFileSync(path, "utf8")) as { contexts: Record<string, object> };
    expect(Object.values(config.contexts)).toEqual([
      {
        url: app.url,
        token: ada.token,
        key_id: null,
        user: ada.email,
        organization: orgSlug,
        organization_id: expect.any(String),
      },
    ]);
    expect(await jsonOf("whoami")).toMatchObject({ email: ada.email, organization: orgSlug });
    expect((await cli.run("context", "list")).out).toContain(`*`);
    expect((await cli.run("context", "list", "--json")).out).not.toContain(ada.token);
  });

  test("by a code in the browser makes a key, which logging out revokes", async () => {
    const fresh = openCli();
    const login = fresh.start("login", app.url, "--no-browser");
    let said = "";
    login.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text));
    await expect.poll(() => said).toMatch(/code [A-Z]{4}-[A-Z]{4}/);
    expect(said).toContain(`${app.url}/device`);
    const user_code = /code ([A-Z]{4}-[A-Z]{4})/.exec(said)?.[1] as string;
    await ada.api.deviceLogin.approve({ params: { user_code } });
    expect((await once(login, "close"))[0]).toBe(0);
    expect((await fresh.run("whoami", "--json")).out).toContain(ada.email);
    const [key] = (await ada.api.apiKeys.list()).data;
    expect(key).toMatchObject({ status: "active", name: expect.stringMatching(/^omoi on /) });
    expect((await fresh.run("logout")).code).toBe(0);
    const params = { key_id: key?.id as string };
    expect((await ada.api.apiKeys.get({ params })).data.status).toBe("revoked");
    const signedOut = await fresh.run("agent", "list");
    expect([signedOut.code, signedOut.err]).toEqual([3, expect.stringContaining("omoi login")]);
    fresh.close();
  });

  test("OMOI_URL and OMOI_TOKEN take its place, as in a run", async () => {
    const project = await makeProject(
      ada,
      (await ada.api.organizations.get({ params: { org_id: orgSlug } })).data.id,
    );
    const agent = await makeAgent(ada, project.id);
    const { data: key } = await ada.api.apiKeys.create({
      body: { name: "agent", agent_id: agent.id },
    });
    const inRun = openCli({ OMOI_URL: app.url, OMOI_TOKEN: key.key as string, OMOI_ORG: orgSlug });
    const shown = await inRun.run("agent", "show", agent.name, "--json");
    expect(JSON.parse(shown.out)).toMatchObject({ id: agent.id });
    const refused = await inRun.run("member", "list");
    expect([refused.code, refused.err]).toEqual([
      1,
      expect.stringContaining("insufficient_permission"),
    ]);
    inRun.close();
  });
});

describe("commands", () => {
  test("an organization's work from the first command to the merge", async () => {
    const created = await jsonOf<{ id: string }>("project", "create", "Shop");
    await jsonOf(
      "agent",
      "create",
      "worker-1",
      "--project",
      "shop",
      "--task",
      '{"title": "Sign in", "text": "Add it"}',
    );
    const workspace = await jsonOf<Parameters<typeof writeFiles>[0]>(
      "workspace",
      "create",
      "worker-1",
    );
    await writeFiles(workspace, { "login.md": "# Sign in\n" });
    const started = await cli.run(
      "agent",
      "start",
      "worker-1",
      "--follow",
      "--",
      "sh",
      "-c",
      "echo out; echo err >&2",
    );
    expect(started.code).toBe(0);
    expect(started.out.split("\n").toSorted()).toEqual(["", "err", "out"]);
    expect((await cli.run("logs", "worker-1", "--stream", "stdout")).out).toBe("out\n");
    const failed = await cli.run("agent", "start", "worker-1", "-f", "--", "sh", "-c", "exit 7");
    expect([failed.code, failed.err]).toEqual([7, expect.stringContaining("exit code 7")]);
    expect((await cli.run("diff", "shop/worker-1")).out).toContain("+# Sign in");
    expect((await cli.run("merge", "worker-1", "--preview")).out).toContain("No conflicts");
    expect((await cli.run("merge", "worker-1")).out).toMatch(
      /^Merged workspace-worker-1 into main as /,
    );
    expect((await cli.run("merge", "worker-1")).out).toContain("missing");
    const merges = await jsonOf<{ subject: string }[]>("merge", "list", "shop");
    expect(merges.map(({ subject }) => subject)).toEqual(["Sign in"]);
    expect((await cli.run("top")).out).toMatch(/worker-1 +Shop +needs_you/);
    expect(await jsonOf("conflicts")).toEqual([]);
    const stopped = await cli.run("agent", "stop", "worker-1");
    expect([stopped.code, stopped.err]).toEqual([5, expect.stringContaining("no run in progress")]);
    expect(await jsonOf("project", "show", "shop")).toMatchObject({ id: created.id });
  });

  test("starts a run of a remote workspace with the labels of its runner", async () => {
    const project = await makeProject(ada, (await makeOrganization(ada)).id);
    const { agent } = await makeRemote(ada, project.id);
    const start = [
      "agent",
      "start",
      agent.id,
      "--runner-labels",
      "gpu",
      "--runner-labels",
      "linux",
    ];
    const refused = await cli.run(...start, "--", "make");
    expect([refused.code, refused.err]).toEqual([5, expect.stringContaining("workspace_remote")]);
    const runner = await makeRunner(ada, "gpu-1");
    const queued = await cli.run(...start, "--json", "--", "make");
    expect(JSON.parse(queued.out)).toMatchObject({
      status: "queued",
      runner_labels: ["gpu", "linux"],
    });
    await ada.api.runners.delete({ params: { runner_id: runner.id } });
  });

  test("secrets come from standard input and are never shown", async () => {
    const set = await cli.runWith(
      { input: "secret-value-1234\n" },
      "secret",
      "set",
      "TOKEN",
      "--kind",
      "variable",
    );
    expect([set.code, set.out]).toEqual([0, expect.not.stringContaining("secret-value")]);
    const ofProject = await cli.runWith(
      { input: "other" },
      "secret",
      "set",
      "OTHER",
      "--kind",
      "variable",
      "--project",
      "shop",
    );
    expect(ofProject.code).toBe(0);
    expect((await cli.run("secret", "list", "-q")).out).toBe("TOKEN\n");
    expect((await cli.run("secret", "list", "-q", "--project", "shop")).out).toBe("OTHER\n");
  });

  test("a name cannot lead to another call", async () => {
    for (const name of ["..", "."]) {
      const { code, err } = await cli.run("secret", "delete", name, "--yes");
      expect([code, err]).toEqual([2, expect.stringContaining("must not be empty")]);
    }
    const org_id = orgSlug;
    expect((await ada.api.organizations.get({ params: { org_id } })).data.is_active).toBe(true);
  });

  test("a followed log can be one stream, and help lists the commands of a group", async () => {
    const { out } = await cli.run(
      "agent",
      "start",
      "worker-1",
      "--",
      "sh",
      "-c",
      "echo out; echo err >&2",
    );
    expect(out).toContain("running");
    expect((await cli.run("logs", "worker-1", "-f", "--stream", "stderr")).out).toBe("err\n");
    expect((await cli.run("logs", "worker-1", "-f", "--tail", "5")).code).toBe(2);
    expect((await cli.run("help", "agent")).out).toContain("clear-home");
  });

  test("what cannot be undone wants --yes without a terminal", async () => {
    const asked = await cli.run("secret", "delete", "TOKEN");
    expect([asked.code, asked.err]).toEqual([2, expect.stringContaining("--yes")]);
    expect((await cli.run("secret", "delete", "TOKEN", "--yes")).code).toBe(0);
    expect((await cli.run("secret", "delete", "TOKEN", "--yes")).code).toBe(4);
  });

  test("exit codes tell usage, absence and conflict apart; errors go to standard error", async () => {
    const outcomes = await Promise.all(
      [
        ["agnt", "list"],
        ["agent", "list", "--limit", "many"],
        ["agent", "create", "x"],
        ["project", "update", "shop", "--body", "{"],
        ["agent", "show", "missing"],
        ["api", "GET", "nowhere"],
        ["agent", "create", "worker-1", "--project", "shop"],
        ["agent", "create", "Bad Name", "--project", "shop"],
      ].map((args) => cli.run(...args)),
    );
    expect(outcomes.map(({ code }) => code)).toEqual([2, 2, 2, 2, 4, 4, 5, 1]);
    for (const { out, err } of outcomes)
      expect([out, err]).toEqual(["", expect.stringMatching(/./)]);
    expect(outcomes[0]?.err).toContain("Did you mean agent?");
    expect(outcomes[6]?.err).toContain("(name_taken)");
    expect(outcomes[7]?.err).toMatch(/validation_failed\)\n {2}name: /);
  });

  test("a name of several is refused with a way to say which", async () => {
    await jsonOf("project", "create", "Second");
    await jsonOf("agent", "create", "only-here", "--project", "second");
    expect((await cli.run("agent", "show", "second/only-here")).code).toBe(0);
    expect((await cli.run("agent", "show", "shop/only-here")).code).toBe(4);
    const another = await makeOrganization(ada);
    const unclear = openCli({ OMOI_URL: app.url, OMOI_TOKEN: ada.token });
    const { code, err } = await unclear.run("agent", "list");
    expect([code, err]).toEqual([2, expect.stringContaining("--org")]);
    expect((await unclear.run("agent", "list", "--org", another.slug)).code).toBe(0);
    expect((await unclear.run("agent", "list", "--org", "someone-elses")).code).toBe(4);
    unclear.close();
  });

  test("text of agents cannot steer a terminal", async () => {
    const [project] = (await ada.api.projects.list({ query: {} })).data;
    const { agent, workspace } = await makeWorkspace(ada, project?.id as string);
    await writeFiles(workspace, { "a.txt": "a\n" });
    await ada.api.workspaces.createCommit({
      params: { agent_id: agent.id },
      body: { commit_type: "manual", message: "\u001B[2Jgone\u202E" },
    });
    const { out } = await cli.run("workspace", "commits", agent.name);
    expect(out).toContain("<U+001B>[2Jgone<U+202E>");
    // oxlint-disable-next-line no-control-regex -- the escape character itself
    expect(out).not.toMatch(/\u001B/);
  });

  test("requests of any kind are sent, and never to another server", async () => {
    const { out } = await cli.run("api", "GET", "agents", "-f", "limit=1", "--include");
    expect(out).toMatch(/^HTTP\/1\.1 200/);
    const made = await cli.run("api", "POST", "organizations", "-f", "name=By hand");
    expect(JSON.parse(made.out)).toMatchObject({ name: "By hand" });
    const away = await cli.run("api", "GET", "//evil.example/");
    expect([away.code, away.err]).toEqual([2, expect.stringContaining("one slash")]);
  });

  test("completion knows commands, options and names", async () => {
    const complete = async (...words: string[]) =>
      (await cli.run("__complete", "--", ...words)).out.split("\n");
    expect(await complete("agent", "st")).toEqual(["start", "stop", ""]);
    expect(await complete("agent", "list", "--pro")).toEqual(["--project", ""]);
    expect(await complete("diff", "worker-")).toContain("worker-1");
    for (const shell of ["bash", "zsh", "fish"]) {
      expect((await cli.run("completion", shell)).out).toContain("__complete");
    }
  });
});

describe("faults", () => {
  test("a server that is away, another product or an old one is named", async () => {
    const answers = [
      {
        status: 200,
        headers: { "content-type": "text/html" },
        body: "<html>Welcome</html>",
        says: "web page",
      },
      {
        status: 404,
        headers: { "content-type": "text/plain" },
        body: "no",
        says: "does not answer as an Omoi server",
      },
      {
        status: 301,
        headers: { location: "https://omoi.example.com/" },
        body: "",
        says: "redirects to https://omoi.example.com/",
      },
    ];
    for (const { status, headers, body, says } of answers) {
      const other = createServer((_, response) => response.writeHead(status, headers).end(body));
      other.listen(0, "127.0.0.1");
      await once(other, "listening");
      const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
      const lost = openCli({ OMOI_URL: url, OMOI_TOKEN: "x", OMOI_ORG: "acme" });
      const { code, err } = await lost.run("agent", "list");
      expect([code, err]).toEqual([1, expect.stringContaining(says)]);
      lost.close();
      other.close();
    }
    const problem = {
      code: "not_found",
      detail: "No such address.",
      status: 404,
      title: "",
      type: "",
    };
    const old = createServer(({ url }, response) => {
      const isVersion = url === "/version";
      response.writeHead(isVersion ? 200 : 404, { "content-type": "application/problem+json" });
      response.end(JSON.stringify(isVersion ? { version: "0.0.9" } : problem));
    });
    old.listen(0, "127.0.0.1");
    await once(old, "listening");
    const url = `http://127.0.0.1:${(old.address() as AddressInfo).port}`;
    const early = openCli({ OMOI_URL: url, OMOI_TOKEN: "x", OMOI_ORG: "acme" });
    const answer = await early.run("top");
    expect([answer.code, answer.err]).toEqual([4, expect.stringContaining("Omoi 0.0.9, older")]);
    early.close();
    old.close();
    const away = openCli({ OMOI_URL: "http://127.0.0.1:9", OMOI_TOKEN: "x", OMOI_ORG: "acme" });
    const { code, err } = await away.run("agent", "list");
    expect([code, err]).toEqual([1, expect.stringContaining("connection was refused")]);
    away.close();
  });

  test("a damaged configuration is named, not overwritten", async () => {
    const broken = openCli({ XDG_CONFIG_HOME: "/dev/null" });
    const { code, err } = await broken.run("agent", "list");
    expect([code, err]).toEqual([2, expect.stringContaining("cannot be read")]);
    broken.close();
  });
});
