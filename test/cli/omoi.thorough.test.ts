// Thorough: tests that wait for a sign-in or a log, of ten thousand rows, at a terminal, and with many processes.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { builtFile } from "#test/support/server/built-files.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { openCli, signedInCli, type SignedInCli } from "#test/support/server/signed-in-cli.js";

let app: TestApp;
let ada: TestPerson;
let cli: SignedInCli;

beforeAll(async () => {
  app = await startTestApp({}, "real");
  ada = await app.person("ada");
  const { id } = await makeOrganization(ada);
  await makeProject(ada, id);
  cli = await signedInCli(app.url, ada);
});
afterAll(async () => {
  cli.close();
  await app.close();
});

/** Runs the command at a terminal, and answers its question. Returns its exit code. */
async function answerAtTerminal(answer: string, ...args: string[]): Promise<number> {
  const script = `
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
shown = b""
while b"[y/N]" not in shown:
    shown += os.read(terminal, 1024)
os.write(terminal, sys.argv[1].encode())
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;
  const command = [process.execPath, builtFile("cli/main.js"), ...args];
  const { env } = cli;
  const { stdout } = await promisify(execFile)("python3", ["-c", script, answer, ...command], {
    env,
  });
  return Number(stdout);
}

describe("signing in", () => {
  test("a denied code and an unknown token are exit code 1 and 3", async () => {
    const fresh = openCli();
    const login = fresh.start("login", app.url, "--no-browser");
    let said = "";
    login.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text));
    await expect.poll(() => said).toMatch(/code [A-Z]{4}-[A-Z]{4}/);
    const user_code = /code ([A-Z]{4}-[A-Z]{4})/.exec(said)?.[1] as string;
    await ada.api.deviceLogin.deny({ params: { user_code } });
    expect((await once(login, "close"))[0]).toBe(1);
    expect(said).toContain("access_denied");
    const wrong = await fresh.runWith({ input: "sk_live_wrong" }, "login", app.url, "--token");
    expect([wrong.code, wrong.err]).toEqual([3, expect.stringContaining("invalid_token")]);
    fresh.close();
  });

  test("variables never lead to a sign-in that they do not name", async () => {
    const away = "https://omoi.example.com";
    for (const [variables, code, said] of [
      [{ OMOI_URL: app.url, OMOI_TOKEN: "" }, 2, "OMOI_TOKEN is empty"],
      [{ OMOI_URL: app.url, OMOI_TOKEN: " \n" }, 2, "OMOI_TOKEN is empty"],
      [{ OMOI_URL: away, OMOI_TOKEN: "" }, 2, "OMOI_TOKEN is empty"],
      [{ OMOI_TOKEN: " " }, 2, "OMOI_TOKEN is empty"],
      [{ OMOI_TOKEN: ada.token }, 2, "OMOI_TOKEN is set without OMOI_URL"],
      [{ OMOI_URL: "", OMOI_TOKEN: ada.token }, 2, "OMOI_TOKEN is set without OMOI_URL"],
      [{ OMOI_URL: away }, 2, `OMOI_URL is ${away}, but you are signed in to ${app.url}`],
      [{ OMOI_URL: `${app.url}/organizations` }, 0, ""],
      [{ OMOI_URL: app.url, OMOI_TOKEN: `${ada.token}\n` }, 0, ""],
      [{ OMOI_URL: "", OMOI_TOKEN: "" }, 0, ""],
      [{ OMOI_TOKEN: "" }, 0, ""],
    ] as const) {
      const { code: got, err } = await cli.runWith({ env: variables }, "whoami");
      expect([variables, got, err]).toEqual([variables, code, expect.stringContaining(said)]);
    }
    // A command that names its context uses it.
    const name = new URL(app.url).host;
    const env = { OMOI_URL: away, OMOI_TOKEN: "" };
    expect((await cli.runWith({ env }, "whoami", "--context", name)).code).toBe(0);
  });
});

test("sign-ins at once lose no context", async () => {
  const fresh = openCli();
  const names = Array.from({ length: 8 }, (_, number) => `place-${number}`);
  const input = ada.token;
  const all = names.map((name) =>
    fresh.runWith({ input }, "login", app.url, "--name", name, "--token"),
  );
  expect(new Set((await Promise.all(all)).map(({ code }) => code))).toEqual(new Set([0]));
  const { out } = await fresh.run("context", "list", "--json");
  const kept = (JSON.parse(out) as { name: string }[]).map(({ name }) => name);
  expect(kept.toSorted()).toEqual(names);
  fresh.close();
});

test("what cannot be undone asks, and without a terminal wants --yes", async () => {
  const set = ["secret", "set", "TOKEN", "--kind", "variable"];
  expect((await cli.runWith({ input: "secret-value-1234" }, ...set)).code).toBe(0);
  const asked = await cli.run("secret", "delete", "TOKEN");
  expect([asked.code, asked.err]).toEqual([2, expect.stringContaining("--yes")]);
  expect(await answerAtTerminal("n\n", "secret", "delete", "TOKEN")).toBe(2);
  // Ctrl+C and Ctrl+D.
  expect(await answerAtTerminal("\u0003", "secret", "delete", "TOKEN")).toBe(130);
  expect(await answerAtTerminal("\u0004", "secret", "delete", "TOKEN")).toBe(130);
  expect((await cli.run("secret", "delete", "TOKEN", "--yes")).code).toBe(0);
  expect((await cli.run("secret", "delete", "TOKEN", "--yes")).code).toBe(4);
});

describe("faults", () => {
  test("ten thousand rows are listed, and a reader that stops is no failure", async () => {
    const rich = await app.person("Rich");
    const { id } = await makeOrganization(rich);
    const project = await makeProject(rich, id);
    await queryAsOwner(
      app,
      `insert into agents (id, org_id, project_id, name)
       select gen_random_uuid(), $1, $2, 'agent-' || n from generate_series(1, 10000) n`,
      [id, project.id],
    );
    const many = await signedInCli(app.url, rich);
    const { code, out } = await many.run("agent", "list", "--quiet");
    expect([code, new Set(out.trim().split("\n")).size]).toEqual([0, 10_000]);
    const reader = many.start("agent", "list");
    reader.stdout?.once("data", () => reader.stdout?.destroy());
    let said = "";
    reader.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text));
    expect([(await once(reader, "close"))[0], said]).toEqual([0, ""]);
    many.close();
  });

  test("a key that is revoked while a log is followed ends it with exit code 3", async () => {
    const { agent } = await makeWorkspace(
      ada,
      (await ada.api.projects.list({ query: {} })).data[0]?.id as string,
    );
    const { data: run } = await ada.api.runs.create({
      params: { agent_id: agent.id },
      body: { command: ["sh", "-c", "for i in 1 2 3; do echo line $i; done; sleep 600"] },
    });
    const { data: key } = await ada.api.apiKeys.create({ body: { name: "short" } });
    const short = openCli({ OMOI_URL: app.url, OMOI_TOKEN: key.key as string });
    const logs = short.start("logs", run.id, "-f");
    let said = "";
    let out = "";
    logs.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text));
    logs.stdout?.setEncoding("utf8").on("data", (text: string) => (out += text));
    await expect.poll(() => out).toContain("line 3");
    await ada.api.apiKeys.revoke({ params: { key_id: key.id } });
    expect((await once(logs, "close"))[0]).toBe(3);
    expect([out, said]).toEqual([
      "line 1\nline 2\nline 3\n",
      expect.stringContaining("invalid_token"),
    ]);
    const interrupted = cli.start("logs", run.id, "-f");
    await once(interrupted.stdout as NodeJS.ReadableStream, "data");
    interrupted.kill("SIGINT");
    expect((await once(interrupted, "close"))[0]).toBe(130);
    await ada.api.runs.stop({ params: { run_id: run.id } });
    short.close();
  });
});
