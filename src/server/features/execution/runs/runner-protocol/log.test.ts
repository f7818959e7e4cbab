import { appendFile, readFile } from "node:fs/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { LogEntry } from "#shared/api/execution/runs.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Problem } from "#shared/errors.js";
import type { RunnerJob } from "#shared/execution/runner/protocol.js";
import { LOG_TYPE, MAX_LOG_UPLOAD_BYTES } from "#shared/execution/runner/protocol.js";
import { storageIn } from "#server/data-folder/storage.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { followLog } from "#test/support/fixtures/runs.js";
import { send } from "#test/support/http/raw-request.js";
import { makeRemote, startRemote } from "#test/support/runners/remote-workspaces.js";
import {
  ofRun,
  registerRunner,
  type RunnerAnswer,
  type ScriptedRunner,
} from "#test/support/runners/scripted-runner.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";

describe("the log of a run on a runner", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let runner: ScriptedRunner;
  let job: RunnerJob;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_RUN_OUTPUT_MIB: "1" });
    owner = await app.person("Ada");
  });
  beforeEach(async () => {
    org = await makeOrganization(owner);
    project = await makeProject(owner, org.id);
    runner = await registerRunner(app, { orgId: org.id });
    job = await begin();
  });
  afterAll(() => app.close());

  const begin = async (): Promise<RunnerJob> => {
    await startRemote(owner, (await makeRemote(owner, project.id)).agent);
    return runner.take();
  };
  const line = (text: string, stream: LogEntry["stream"] = "stdout"): string =>
    `${JSON.stringify({ stream, at: "2026-01-02T03:04:05.678Z", text })}\n`;
  const toldLine = (raw: string, text: string): string =>
    `${JSON.stringify({ stream: "stdout", at: "2026-01-02T03:04:05.678Z", raw, text })}\n`;
  const append = (
    offset: number | string,
    text: string | Buffer,
    by = runner,
  ): Promise<RunnerAnswer<{ offset: number } & Problem>> =>
    by.send("POST", ofRun(job.run_id, `log?offset=${offset}`), {
      body: Buffer.from(text),
      type: LOG_TYPE,
    });
  const path = () => storageIn(app.dataDir).runLog(org.id, project.id, job.run_id);
  const textOfLog = async () =>
    (await send(app, "GET", `/api/v1/runs/${job.run_id}/logs`, { token: owner.token })).text;

  test("is readable while it grows, and whole at the end", async () => {
    const followed = followLog(app, owner, job.run_id);
    const [one, two] = [line("one\n"), line("two\n", "stderr")];
    expect((await append(0, one)).body).toEqual({ offset: one.length });
    expect((await append(one.length, two)).body.offset).toBe(one.length + two.length);
    await runner.end(job.run_id);
    const { events, end } = await followed;
    expect(events.map(({ text, stream }) => [stream, text])).toEqual([
      ["stdout", "one\n"],
      ["stderr", "two\n"],
    ]);
    expect(end?.status).toBe("succeeded");
    expect(await readFile(path(), "utf8")).toBe(one + two);
    const late = await append(one.length + two.length, line("late\n"));
    expect([late.status, late.body.code]).toEqual([409, "run_ended"]);
  });

  test("takes repeated parts once, and no part after a gap", async () => {
    const [one, two, three] = [line("één\n"), line("two\n"), line("three\n")];
    const size = (text: string): number => Buffer.byteLength(text);
    await append(0, one);
    expect((await append(0, one)).body.offset).toBe(size(one));
    expect((await append(0, one + two)).body.offset).toBe(size(one + two));
    const gap = await append(size(one + two) + 1, three);
    expect([gap.status, gap.body.code, gap.body.offset]).toEqual([409, "log_gap", size(one + two)]);
    expect(gap.headers.get("omoi-log-offset")).toBe(String(size(one + two)));
    // Lines of another position.
    expect((await append(size(one) + 3, two)).status).toBe(422);
    expect((await append(size(one + two), "")).body.offset).toBe(size(one + two));
    const all = await Promise.all(Array.from({ length: 5 }, () => append(size(one + two), three)));
    expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await textOfLog()).toBe("één\ntwo\nthree\n");
  });

  test("continues after a crash in the middle of a line", async () => {
    const [one, two] = [line("one\n"), line("two\n")];
    await append(0, one);
    await appendFile(path(), two.slice(0, 20));
    expect((await append(one.length, two)).body.offset).toBe(one.length + two.length);
    expect(await textOfLog()).toBe("one\ntwo\n");
  });

  test("has the raw output of lines of JSON", async () => {
    const [one, two] = [toldLine("{}".repeat(4096), "x".repeat(8192)), toldLine("{}\n", "")];
    expect((await append(0, one + two)).status).toBe(200);
    expect(await textOfLog()).toBe("x".repeat(8192));
    const raw = await send(app, "GET", `/api/v1/runs/${job.run_id}/logs?raw=true`, {
      token: owner.token,
    });
    expect(raw.text).toBe(`${"{}".repeat(4097)}\n`);
  });

  test("takes no line of another form", async () => {
    for (const [what, text] of [
      ["no JSON", "text\n"],
      ["half a line", line("x").slice(0, -1)],
      ["another field", `${JSON.stringify({ ...JSON.parse(line("x")), more: 1 })}\n`],
      [
        "another order of fields",
        '{"at":"2026-01-02T03:04:05.678Z","stream":"stdout","text":"x"}\n',
      ],
      ["spaces", line("x").replace(",", ", ")],
      ["an unknown stream", line("x").replace("stdout", "stdin")],
      ["a wrong time", line("x").replace(":05.678Z", ":05Z")],
      ["an empty line", `${line("x")}\n`],
      ["a long text", line("x".repeat(16 * 1024 + 1))],
      ["a long text with its raw output", toldLine("x".repeat(16 * 1024), "y")],
      ["raw output behind its text", line("x").replace("}", ',"raw":"y"}')],
      ["no UTF-8", Buffer.concat([Buffer.from(line("x")), Buffer.from([0xff, 0x0a])])],
    ] as const) {
      const { status, body } = await append(0, text);
      expect([what, status, body.code]).toEqual([what, 422, "validation_failed"]);
      expect(await textOfLog()).toBe("");
    }
  });

  test("is bounded by each upload and by the limit of the run", async () => {
    const large = await append(0, line("x".repeat(16_000)).repeat(70));
    expect([large.status, large.body.code]).toEqual([413, "body_too_large"]);
    const chunk = line("x".repeat(16_000)).repeat(60);
    expect(chunk.length).toBeLessThan(MAX_LOG_UPLOAD_BYTES);
    expect((await append(0, chunk)).status).toBe(200);
    const beyond = await append(chunk.length, line("x".repeat(16_000)).repeat(10));
    expect([beyond.status, beyond.body.code]).toEqual([413, "body_too_large"]);
    for (const offset of ["-1", "x", "", "1e3", "99999999999999999999"]) {
      expect((await append(offset, line("x"))).status).toBe(400);
    }
    const json = await runner.send("POST", ofRun(job.run_id, "log?offset=0"), { body: {} });
    expect(json.status).toBe(415);
  });

  test("is that of the runner's own run", async () => {
    const other = await registerRunner(app, { orgId: org.id });
    expect((await append(0, line("x"), other)).status).toBe(404);
    const queued = await startRemote(owner, (await makeRemote(owner, project.id)).agent);
    await other.ask();
    const early = await other.send<Problem>("POST", ofRun(queued.id, "log?offset=0"), {
      body: Buffer.from(line("x")),
      type: LOG_TYPE,
    });
    expect([early.status, early.body.code]).toEqual([409, "run_not_offered"]);
    // Output has arrived: the start is not repeated.
    await append(0, line("x"));
    expect((await runner.start(job.run_id)).status).toBe(409);
  });
});
