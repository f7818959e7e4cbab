/** A folder of another machine as a remote workspace, with the real git. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { openCli, signedInCli, type SignedInCli } from "#test/support/server/signed-in-cli.js";

let app: TestApp;
let ada: TestPerson;
let cli: SignedInCli;
let slug: string;

beforeAll(async () => {
  app = await startTestApp();
  ada = await app.person("Ada");
  const { id } = await makeOrganization(ada);
  const project = await makeProjectWith(ada, id, { "a.txt": "a\n", "b.txt": "b\n" });
  slug = (await ada.api.projects.get({ params: { project_id: project.id } })).data.slug;
  cli = await signedInCli(app.url, ada);
});
afterAll(async () => {
  cli.close();
  await app.close();
});

const inFolder = (name: string) => join(cli.home, name);
const run = (folder: string, ...args: string[]) => cli.runWith({ cwd: inFolder(folder) }, ...args);

test("a project is cloned, pushed to a workspace of its own, merged and pulled", async () => {
  const cloned = await cli.run("clone", slug, "work");
  expect([cloned.code, cloned.out.trim()]).toEqual([0, inFolder("work")]);
  // The key is in no file of the clone.
  expect(spawnSync("grep", ["-r", ada.token, inFolder("work")]).status).toBe(1);
  writeFileSync(join(inFolder("work"), "new.txt"), "new\n");
  const pushed = await run("work", "push", "--agent", "laptop", "-m", "Add a file");
  expect([pushed.code, pushed.err]).toEqual([0, ""]);
  const shown = await cli.run("workspace", "show", "laptop", "--json");
  expect(JSON.parse(shown.out)).toMatchObject({ workspace_type: "remote" });
  expect((await cli.run("diff", "laptop", "-q")).out).toBe("new.txt\n");
  writeFileSync(join(inFolder("work"), "more.txt"), "more\n");
  const unsaved = await run("work", "pull");
  expect([unsaved.code, unsaved.err]).toEqual([5, expect.stringContaining("omoi push")]);
  expect((await run("work", "push")).code).toBe(0);
  expect((await cli.run("merge", "laptop")).code).toBe(0);
  expect((await run("work", "pull")).code).toBe(0);
  expect(readFileSync(join(inFolder("work"), "more.txt"), "utf8")).toBe("more\n");
});

test("a folder of its own becomes changes of the base branch, and deletes nothing", async () => {
  mkdirSync(inFolder("plain"));
  writeFileSync(join(inFolder("plain"), "a.txt"), "changed\n");
  const nowhere = await run("plain", "push");
  expect([nowhere.code, nowhere.err]).toEqual([2, expect.stringContaining("--project")]);
  expect(existsSync(join(inFolder("plain"), ".git"))).toBe(false);
  const pushed = await run("plain", "push", "--project", slug, "--agent", "desk");
  expect([pushed.code, pushed.err]).toEqual([0, ""]);
  expect((await cli.run("diff", "desk", "-q")).out).toBe("a.txt\n");
  expect(readFileSync(join(inFolder("plain"), "b.txt"), "utf8")).toBe("b\n");
});

test("a repository of its own is left as it is, and a failed first push can be repeated", async () => {
  const folder = inFolder("own");
  mkdirSync(join(folder, "part"), { recursive: true });
  const git = (...args: string[]) =>
    spawnSync("git", args, { cwd: folder, encoding: "utf8", env: { ...cli.env } });
  git("init", "--quiet");
  writeFileSync(join(folder, "mine.txt"), "mine\n");
  git("add", "--all");
  git(
    "-c",
    "user.name=A",
    "-c",
    "user.email=a@example.com",
    "commit",
    "--quiet",
    "--message",
    "Mine",
  );
  const head = git("rev-parse", "HEAD").stdout;
  for (const where of ["own", "own/part"]) {
    expect((await run(where, "push", "--project", slug)).code).toBe(2);
  }
  expect(git("rev-parse", "HEAD").stdout).toBe(head);
  expect(git("remote").stdout).toBe("");
  // As after a push that ended once the remote was known.
  mkdirSync(inFolder("half"));
  const half = (...args: string[]) =>
    spawnSync("git", args, { cwd: inFolder("half"), env: { ...cli.env } });
  half("init", "--quiet");
  const { data: projects } = await ada.api.projects.list({ query: {} });
  half("remote", "add", "origin", projects[0]?.clone_url as string);
  writeFileSync(join(inFolder("half"), "half.txt"), "half\n");
  const again = await run("half", "push", "--project", slug, "--agent", "half");
  expect([again.code, again.err]).toEqual([0, ""]);
  expect((await cli.run("diff", "half", "-q")).out).toBe("half.txt\n");
});

test("a clone that git made keeps its commits and its deletions", async () => {
  const folder = inFolder("plain-clone");
  const { data: projects } = await ada.api.projects.list({ query: {} });
  const git = (cwd: string, ...args: string[]) =>
    spawnSync("git", args, { cwd, encoding: "utf8", env: { ...cli.env } }).stdout;
  const url = projects[0]?.clone_url ?? "";
  const address = url.replace("://", `://key:${ada.token}@`);
  // The server is part of this process, and must not be blocked.
  const cloning = spawn("git", ["clone", "--quiet", address, folder], { env: { ...cli.env } });
  await once(cloning, "close");
  git(folder, "remote", "set-url", "origin", url);
  writeFileSync(join(folder, "own.txt"), "own\n");
  git(folder, "rm", "--quiet", "b.txt");
  git(folder, "add", "--all");
  git(
    folder,
    "-c",
    "user.name=A",
    "-c",
    "user.email=a@example.com",
    "commit",
    "--quiet",
    "--message",
    "Mine",
  );
  const head = git(folder, "rev-parse", "HEAD");
  const pushed = await run("plain-clone", "push", "--project", slug, "--agent", "kept");
  expect([pushed.code, pushed.err]).toEqual([0, ""]);
  expect(git(folder, "rev-parse", "HEAD")).toBe(head);
  expect((await cli.run("diff", "kept", "-q")).out).toBe("b.txt\nown.txt\n");
});

test("git gets the key for its own server alone", async () => {
  const asked = (host: string) =>
    cli.runWith({ input: `protocol=http\nhost=${host}\n\n` }, "credential", "get");
  expect((await asked(new URL(app.url).host)).out).toBe(`username=key\npassword=${ada.token}\n`);
  expect((await asked("evil.example")).out).toBe("");
  expect((await cli.run("clone", slug, "work")).code).toBe(2);
  const stranger = openCli();
  expect((await stranger.run("clone", slug)).code).toBe(3);
  stranger.close();
});
