/** `omoi task`: from one line to a merged change, at a terminal and in scripts. */
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Task, TaskComparison } from "#shared/api/work/tasks.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { openCli, signedInCli, type SignedInCli } from "#test/support/server/signed-in-cli.js";
import { systemRoleIds } from "#server/db/migrate.js";

let app: TestApp;
let tools: string;
let ada: TestPerson;
let organization: Organization;
let project: Project;
let cli: SignedInCli;

beforeAll(async () => {
  tools = await mkdtemp(join(tmpdir(), "omoi-tools-"));
  await chmod(tools, 0o755);
  app = await startTestApp(
    { OMOI_SANDBOX_READONLY: tools, OMOI_RUN_STOP_GRACE_SECONDS: "1" },
    "real",
  );
  ada = await app.person("Ada");
});
afterAll(async () => {
  await app.close();
  await rm(tools, { recursive: true });
});
beforeEach(async () => {
  organization = await makeOrganization(ada);
  project = await makeProjectWith(ada, organization.id, { "a.txt": "a\n" });
  cli = openCli({ OMOI_URL: app.url, OMOI_TOKEN: ada.token, OMOI_ORG: organization.slug });
  return () => cli.close();
});

/** The options of a program whose turns the prompts describe. */
const program = [
  "--preset",
  "custom",
  "--network",
  "none",
  ...acpAgent("load").map((word) => `--command=${word}`),
];

async function out(...args: string[]): Promise<string> {
  const { code, out: printed, err } = await cli.run("task", ...args);
  expect([args, code, err]).toEqual([args, 0, ""]);
  return printed;
}
const taskOf = async (...args: string[]): Promise<Task> =>
  JSON.parse(await out(...args, "--json")) as Task;
const statusOf = async (name: string): Promise<string> => (await taskOf("show", name)).status;
const until = (name: string, status: Task["status"]) =>
  expect.poll(() => statusOf(name)).toBe(status);

async function fails(code: number, said: string, ...args: string[]): Promise<void> {
  const failed = await cli.run("task", ...args);
  expect([args, failed.code, failed.err]).toEqual([args, code, expect.stringContaining(said)]);
}

describe("a new task", () => {
  test("is one line: its number, its page, how to follow it, and its work until the merge", async () => {
    const made = await out("new", "tool", ...program);
    const [first, address, next] = made.split("\n");
    expect(first).toBe("#1 tool");
    expect(address).toMatch(new RegExp(`^${app.url}/tasks/[0-9a-f-]{36}$`));
    expect(next).toBe(`Follow it with: omoi task logs ${project.slug}#1 -f`);
    await until("1", "in_review");
    expect(await out("logs", "1")).toContain("> Edit a.txt");
    expect(await out("show", address as string)).toMatch(
      /Task +#1 tool\nStatus +in_review\nNeeds you +review\n[^]*custom +1 file \+1 -1/,
    );
    expect(await out("list")).toMatch(/^Number +Status +Title.*\n1 +in_review +tool /);
    await fails(5, "omoi task merge 1 opens one", "approve", "1");
    expect(await out("merge", "1")).toMatch(/Status +done/);
    expect(await out("list", "--status", "unfinished", "-q")).toBe("");
    expect(await out("ls", "--mine", "--status", "done", "-q")).toMatch(/^[0-9a-f-]{36}\n$/);
    await fails(5, "omoi task update TASK --status open", "merge", "1");
  });

  test("is read from standard input, with everything that the page offers", async () => {
    const first = await taskOf("new", "First", "--no-start");
    const args = ["--title", "Half cents", "--label", "bug", "--label", "money"];
    const more = ["--priority", "high", "--depends-on", "1", "--attempts", "2", "--owner", "Ada"];
    const input = "Invoices round\nthe wrong way\n";
    const created = await cli.runWith(
      { input },
      "task",
      "new",
      "-",
      ...args,
      ...more,
      ...program,
      "--project",
      project.slug,
      "--json",
    );
    expect([created.code, created.err]).toEqual([0, ""]);
    expect(JSON.parse(created.out)).toEqual(
      expect.objectContaining({
        title: "Half cents",
        body: input,
        labels: ["bug", "money"],
        priority: "high",
        owner: { id: ada.id, name: "Ada" },
        depends_on: [first.id],
        status: "waiting",
      }),
    );
    await fails(2, "exclude each other", "new", "x", "--no-start", "--follow");
    await fails(1, "body", "new", " ", ...program);
  });

  test("is followed until its agent needs a person", async () => {
    const followed = await out("new", "say Which one?", ...program, "--follow");
    expect(followed).toMatch(/^#1 say Which one\?\n.*\n\nAda: say Which one\?\n\nWhich one\? /);
    expect(await statusOf("1")).toBe("needs_you");
    const asking = cli.start("task", "new", "ask", ...program, "-f");
    let said = "";
    let shown = "";
    asking.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text));
    asking.stdout?.setEncoding("utf8").on("data", (text: string) => (shown += text));
    await expect.poll(() => shown).toContain("? Delete everything 0");
    asking.kill("SIGINT");
    expect((await once(asking, "close"))[0]).toBe(130);
    expect(said).toContain("The task continues. Stop it with: omoi task stop ");
    expect(await taskOf("show", "2")).toMatchObject({
      status: "needs_you",
      attention: { kind: "permission" },
    });
    expect(await out("list", "--attention", "any", "--sort", "urgency")).toContain("Which one?");
  });

  test("without the key of its model says how to set it", async () => {
    for (const name of ["claude", "claude-agent-acp"])
      await writeFile(join(tools, name), "#!/bin/sh\necho 1.2.3\n", { mode: 0o755 });
    const args = ["new", "Fix it", "--preset", "claude-code"];
    await fails(5, "omoi secret set ANTHROPIC_API_KEY < key.txt", ...args);
    expect(await out("list", "-q")).toBe("");
  });

  test("needs a project if there are several", async () => {
    await makeProjectWith(ada, organization.id, { "b.txt": "b\n" });
    await fails(2, "--project PROJECT", "new", "tool", ...program);
  });
});

describe("the name of a task", () => {
  test("is its number, with or without its project", async () => {
    const other = await makeProjectWith(ada, organization.id, { "b.txt": "b\n" });
    const create = (slug: string) => taskOf("new", "Later", "--no-start", "--project", slug);
    const first = await create(project.slug);
    for (const name of ["1", "#1", first.id, `${project.slug}#1`, `${project.slug}/1`]) {
      expect([name, (await taskOf("show", name)).id]).toEqual([name, first.id]);
    }
    const second = await create(other.slug);
    await fails(2, `Several projects have a task #1: `, "show", "1");
    await fails(2, "or write PROJECT#1", "merge", "#1");
    expect((await taskOf("show", "1", "--project", other.slug)).id).toBe(second.id);
    expect((await taskOf("show", `${organization.slug}/${other.slug}#1`)).id).toBe(second.id);
    // Further numbers are of the same project.
    const third = await create(other.slug);
    const changed = await taskOf("update", `${other.slug}#2`, "--depends-on", "1");
    expect(changed).toMatchObject({ id: third.id, depends_on: [second.id] });
    await fails(4, "There is no task #7", "show", "7");
    await fails(4, "There is no task #2", "show", `${project.slug}#2`);
    await fails(2, "names no task", "show", "first");
  });
});

describe("the attempts of a task", () => {
  test("are compared, prompted, read and chosen by their numbers", async () => {
    await out("new", "tool", ...program, "--attempts", "2");
    await until("1", "in_review");
    await expect
      .poll(async () => (await taskOf("show", "1")).attempts.map(({ status }) => status))
      .toEqual(["ready", "ready"]);
    const { attempts } = JSON.parse(await out("compare", "1", "--json")) as TaskComparison;
    expect(attempts.map(({ number, changes }) => [number, changes?.files])).toEqual([
      [1, 1],
      [2, 1],
    ]);
    expect(await out("compare", "1")).toMatch(
      /^Attempt +Status +Program +Changes +Cost +Time +Only here\n1 +ready +custom +1 file \+1 -1 +\$0 /,
    );
    await fails(2, "omoi task choose 1 NUMBER", "logs", "1");
    await fails(5, "omoi task choose TASK NUMBER", "prompt", "1", "say hello");
    await fails(4, "has no attempt 3", "choose", "1", "3");
    await out("prompt", "1", "say hello", "--attempt", "2");
    await expect.poll(() => out("logs", "1", "--attempt", "2")).toContain("hello");
    expect(await out("logs", "1", "--attempt", "1")).not.toContain("hello");
    expect(await out("choose", "1", "2")).toMatch(/\n2\* +\w/);
    expect(await out("logs", "1")).toContain("hello");
    const { attempts: after } = await taskOf("show", "1");
    expect(after[0]?.status).toBe("archived");
  });

  test("are added to a task", async () => {
    await out("new", "tool", "--no-start");
    const { attempts } = await taskOf("add-attempts", "1", "2", ...program);
    expect(attempts.map(({ number }) => number)).toEqual([1, 2]);
  });
});

describe("the work of a task", () => {
  test("is stopped and started again", async () => {
    await out("new", "wait", ...program);
    await until("1", "working");
    await fails(5, "omoi task prompt TASK TEXT", "retry", "1");
    expect(await out("stop", "1")).toMatch(/Status +open/);
    expect(await out("retry", "1")).toMatch(/Status +working/);
    await out("stop", "1");
  });

  test("is answered, also from standard input", async () => {
    await out("new", "say Which?", ...program);
    await until("1", "needs_you");
    const prompted = await cli.runWith({ input: "tool" }, "task", "prompt", "1", "-");
    expect([prompted.code, prompted.err]).toEqual([0, ""]);
    await until("1", "in_review");
  });

  test("is canceled after a look at what is lost", async () => {
    await out("new", "tool", ...program);
    await until("1", "in_review");
    const asked = await cli.run("task", "cancel", "1");
    expect([asked.code, asked.err]).toEqual([2, expect.stringContaining("Say --yes")]);
    expect(asked.err).toMatch(
      /Agents that are terminated: .*\nNot merged, archived: .*1 file \+1 -1\n/,
    );
    expect(await statusOf("1")).toBe("in_review");
    expect(await out("cancel", "1", "--yes")).toMatch(
      /^#1 is canceled\.\nWork that is not merged is archived: /,
    );
    expect(await statusOf("1")).toBe("cancelled");
  });

  test("is approved by another person where the branch asks for it", async () => {
    const bob = await app.person("Bob");
    await ada.api.members.add({
      params: { org_id: organization.id },
      body: { user_id: bob.id, role_id: systemRoleIds.member },
    });
    await ada.api.projects.update({
      params: { project_id: project.id },
      body: { protected_branches: [{ pattern: "main", approvals: 1 }] },
    });
    await out("new", "tool", ...program);
    await until("1", "in_review");
    expect(await out("merge", "1")).toMatch(/\n1 +ready .* waiting for approval /);
    await fails(1, "own_work", "approve", "1");
    const ofBob = await signedInCli(app.url, bob);
    const approved = await ofBob.run("task", "approve", "1", "--org", organization.slug);
    expect([approved.code, approved.err]).toEqual([0, ""]);
    ofBob.close();
    await until("1", "done");
  });
});

test("omoi top shows tasks in the place of their agents", async () => {
  await out("new", "say Which?", ...program, "--title", "Half cents");
  await until("1", "needs_you");
  const { out: shown } = await cli.run("top", "--once");
  expect(shown).toMatch(/^Task or agent +Project/);
  expect(shown).toMatch(/\n#1 Half cents +.*Which\?/);
  const rows = JSON.parse((await cli.run("ps", "--json")).out) as { task: Partial<Task> | null }[];
  expect(rows.filter(({ task }) => task !== null)).toMatchObject([
    { task: { number: 1, title: "Half cents", attention: { kind: "question" } } },
  ]);
  // A role without the permission for tasks still lists the agents.
  const bob = await app.person("Bob");
  const params = { org_id: organization.id };
  const { data: role } = await ada.api.roles.create({
    params,
    body: { name: "watcher", permissions: ["org:read", "agent:read", "project:read"] },
  });
  await ada.api.members.add({ params, body: { user_id: bob.id, role_id: role.id } });
  const ofBob = openCli({ OMOI_URL: app.url, OMOI_TOKEN: bob.token, OMOI_ORG: organization.slug });
  const watched = await ofBob.run("ps");
  expect([watched.code, watched.err]).toEqual([0, ""]);
  expect(watched.out).not.toContain("#1 Half cents");
  ofBob.close();
});
