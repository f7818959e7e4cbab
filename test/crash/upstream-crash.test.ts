import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { UpstreamCrash } from "../support/crash/upstream-crash.js";
import { git } from "../support/git/git.js";

// Kills during an import and a fetch are in upstream-crash.thorough.test.ts.
describe("a server that is killed while it uses an upstream", () => {
  const crash = new UpstreamCrash();
  beforeAll(() => crash.open());
  afterAll(() => crash.close());

  test("finishes a push after a restart, once", async () => {
    await crash.importProject();
    await crash.settled();
    await crash.server.createWorkspace("remote");
    // A commit outside of any workspace, at the place of a merge.
    const tree = await crash.server.git("rev-parse", "main^{tree}");
    const identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"];
    const parent = await crash.server.git("rev-parse", "main");
    const commit = await crash.server.git(
      ...identity,
      "commit-tree",
      "-p",
      parent,
      "-m",
      "x",
      tree,
    );
    await crash.server.git("update-ref", "refs/heads/main", commit);
    await crash.killDuring("git-receive-pack", () =>
      crash.server.api.upstreams.push({ params: crash.at() }),
    );
    const { upstream: now } = await crash.settled();
    expect(now).toMatchObject({ status: "idle", error: null, ahead: 0, behind: 0 });
    expect(await git(["rev-parse", "main"], { cwd: crash.source })).toBe(commit);
    const { data: events } = await crash.server.api.audit.list({
      params: { org_id: crash.server.project.organization_id },
      query: { action: "project.upstream_pushed" },
    });
    expect(events).toHaveLength(1);
    expect(events[0]?.actor).toMatchObject({ type: "user" });
    await crash.expectNoLeftovers();
  });

  test("leaves no trace of the token in the data folder, the database or the log", () =>
    crash.expectNoTraceLeft());
});
