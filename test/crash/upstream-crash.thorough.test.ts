// Thorough: two more kinds of kills, each with a restart.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { UpstreamCrash } from "../support/crash/upstream-crash.js";
import { commitToRepository, git } from "../support/git/git.js";

describe("a server that is killed while it uses an upstream", () => {
  const crash = new UpstreamCrash();
  beforeAll(() => crash.open());
  afterAll(() => crash.close());

  test("finishes the import after a restart", async () => {
    await crash.killDuring("git-upload-pack", () => crash.importProject());
    const ready = await crash.settled();
    expect([ready.status, ready.error]).toEqual(["ready", null]);
    await crash.expectNoLeftovers();
  });

  test("finishes a fetch after a restart", async () => {
    await commitToRepository(crash.source, { "b.txt": "2\n" });
    await crash.killDuring("git-upload-pack", () =>
      crash.server.api.upstreams.fetch({ params: crash.at() }),
    );
    const { upstream: now } = await crash.settled();
    expect(now).toMatchObject({ status: "idle", error: null, ahead: 0, behind: 0 });
    expect(await crash.server.git("rev-parse", "main")).toBe(
      await git(["rev-parse", "main"], { cwd: crash.source }),
    );
    await crash.expectNoLeftovers();
  });

  test("leaves no trace of the token in the data folder, the database or the log", () =>
    crash.expectNoTraceLeft());
});
