/** Commits of a run reach its workspace at the checkpoints that are made while it goes on. */
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Commit } from "#shared/api/code/commits.js";
import type { Run } from "#shared/api/execution/runs.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  folderOf,
  makeAgent,
  makeOrganization,
  makeProject,
} from "#test/support/fixtures/factories.js";
import { shell, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { gitInRepository } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { describeEachEngine, inSandbox, type RunPlace } from "#test/support/sandbox/run-places.js";

const title = "commits of a run that goes on";
describe(`${title}, by bubblewrap`, () => describeIntervals(inSandbox("required")));
describeEachEngine(title, describeIntervals);

function describeIntervals(open: () => Promise<RunPlace>): void {
  let place: RunPlace;
  let app: TestApp;
  let owner: TestPerson;
  let project: Project;

  beforeAll(async () => {
    place = await open();
    app = await startTestApp(place.settings, "real");
    owner = await app.person("Ada");
    project = await makeProject(owner, (await makeOrganization(owner)).id);
  }, 300_000);
  afterAll(async () => {
    await app.close();
    await place.close();
  });

  interface Going {
    workspace: Workspace;
    params: { agent_id: string };
    /** Lets the script go on to its next `step`. */
    step(): Promise<void>;
    /** Makes the workspace's checkpoint due, and waits for it. */
    checkpoint(): Promise<void>;
    /** The commits of the workspace, oldest first. */
    commits(): Promise<[type: string, message: string][]>;
    now(): Promise<Run>;
    end(): Promise<Run>;
  }

  /** Starts a script in a new workspace, whose command `step` waits for the test. */
  async function start(script: string): Promise<Going> {
    const params = { agent_id: (await makeAgent(owner, project.id)).id };
    const { data: workspace } = await owner.api.workspaces.create({
      params,
      body: { workspace_type: place.type },
    });
    const folder = folderOf(workspace);
    // The steps are files in the workspace that git ignores.
    const wait = String.raw`set -e; printf '/.gitignore\n/step-*\n' > .gitignore; n=0
      step() { n=$((n+1)); : > step-$n-up; while [ ! -e step-$n-go ]; do sleep 0.05; done; }`;
    const { data: run } = await owner.api.runs.create({
      params,
      body: { command: shell(`${wait}; ${script}`) },
    });
    const ofRun = { params: { run_id: run.id } };
    let at = 0;
    const isUp = async (): Promise<void> => {
      at += 1;
      await expect.poll(() => existsSync(join(folder, `step-${at}-up`))).toBe(true);
    };
    await isUp();
    const list = async (): Promise<Commit[]> =>
      (await owner.api.workspaces.commits({ params })).data.toReversed();
    return {
      workspace,
      params,
      step: async () => {
        await writeFile(join(folder, `step-${at}-go`), "");
        await isUp();
      },
      checkpoint: async () => {
        const before = (await list()).length;
        await writeFile(join(folder, `unsaved-${before}.txt`), "");
        await queryAsOwner(
          app,
          `insert into checkpoint_looks (org_id, agent_id, looked_at)
            select org_id, id, now() - interval '1 day' from agents where id = $1
            on conflict (agent_id) do update set looked_at = excluded.looked_at`,
          [params.agent_id],
        );
        const isMade = async (): Promise<boolean> => {
          const all = await list();
          return all.length > before && all.at(-1)?.commit_type === "checkpoint";
        };
        await expect.poll(isMade).toBe(true);
      },
      commits: async () =>
        (await list()).map(({ commit_type, message }) => [
          commit_type,
          message.split("\n")[0] ?? "",
        ]),
      now: async () => (await owner.api.runs.get(ofRun)).data,
      end: async () => {
        await writeFile(join(folder, `step-${at}-go`), "");
        return waitForRunEnd(owner, run.id);
      },
    };
  }

  test("are taken with their messages, and what is uncommitted becomes the checkpoint", async () => {
    const going = await start(`
      echo one > one.txt; git add one.txt; git commit -qm One; echo half > half.txt; step
      echo two > two.txt; git add two.txt; git commit -qm Two; step
      git log --format=%s -2 > log.txt`);
    await going.checkpoint();
    expect((await going.commits()).slice(0, 1)).toEqual([["manual", "One"]]);
    expect((await going.commits()).slice(1).map(([type]) => type)).toEqual(["checkpoint"]);
    expect(await going.now()).toMatchObject({
      status: "running",
      repository: { commits: 1, diverged_branches: [], error: null },
    });
    await going.step();
    await going.checkpoint();
    const ended = await going.end();
    expect(ended).toMatchObject({
      status: "succeeded",
      repository: { commits: 2, diverged_branches: [], error: null },
      checkpoint: { error: null },
    });
    const all = await going.commits();
    expect(all.filter(([type]) => type === "manual").map(([, message]) => message)).toEqual([
      "One",
      "Two",
    ]);
    expect(all.map(([type]) => type)).toEqual([
      "manual",
      "checkpoint",
      "manual",
      "checkpoint",
      "checkpoint",
    ]);
    const { data: changes } = await owner.api.workspaces.changes({ params: going.params });
    expect(changes.files.map(({ path }) => path).toSorted()).toEqual(
      ["half.txt", "log.txt", "one.txt", "two.txt", "unsaved-0.txt", "unsaved-2.txt"].toSorted(),
    );
  });

  test("are left alone in the middle of an operation, and taken at its end", async () => {
    const going = await start(`
      own=$(git symbolic-ref --short HEAD)
      git checkout -q --detach; git commit -q --allow-empty -m Apart; at=$(git rev-parse HEAD); step
      git switch -q "$own"; git merge -q --ff-only "$at"; step`);
    await going.checkpoint();
    expect((await going.commits()).map(([type]) => type)).toEqual(["checkpoint"]);
    expect((await going.now()).repository).toEqual({
      commits: 0,
      diverged_branches: [],
      error: null,
    });
    await going.step();
    const ended = await going.end();
    expect(ended.repository).toEqual({ commits: 1, diverged_branches: [], error: null });
    expect(await going.commits()).toContainEqual(["manual", "Apart"]);
  });

  test("are not taken twice if they could not be recorded", async () => {
    const going = await start(`
      git commit -q --allow-empty -m One; step
      git commit -q --allow-empty -m Two; step`);
    await going.checkpoint();
    await going.step();
    // The branch moves to a rewritten commit, and then the database refuses.
    await queryAsOwner(
      app,
      `create function refuse() returns trigger language plpgsql as
        $$ begin raise exception 'of a test'; end $$;
      create trigger refuse before update of repository_tip on runs for each row
        execute function refuse()`,
    );
    await going.checkpoint();
    expect((await going.now()).repository).toMatchObject({ commits: 1 });
    await queryAsOwner(app, "drop trigger refuse on runs; drop function refuse()");
    const { repository } = await going.end();
    expect(repository).toEqual({ commits: 2, diverged_branches: [], error: null });
    const made = (await going.commits()).filter(([type]) => type === "manual");
    expect(made.map(([, message]) => message)).toEqual(["One", "Two"]);
  });

  test("that replace taken ones are kept in a branch at the end", async () => {
    const going = await start(`
      git commit -q --allow-empty -m First; step
      git commit -q --amend --allow-empty -m Second; git rev-parse HEAD > id.txt; step`);
    await going.checkpoint();
    await going.step();
    await going.checkpoint();
    // What is not taken leaves nothing in the project's repository.
    const amended = await readFile(join(folderOf(going.workspace), "id.txt"), "utf8");
    const found = gitInRepository(app, project, "cat-file", "-t", amended.trim());
    await expect(found).rejects.toThrow();
    expect((await going.now()).repository).toEqual({
      commits: 1,
      diverged_branches: [],
      error: null,
    });
    const { repository } = await going.end();
    expect(repository).toMatchObject({ commits: 1, error: null });
    expect(repository?.diverged_branches).toHaveLength(1);
    expect((await going.commits())[0]).toEqual(["manual", "First"]);
  });

  test("in a repository that git cannot read are taken once it can", async () => {
    const going = await start(`
      git commit -q --allow-empty -m Kept; mkfifo .git/pipe; step; rm .git/pipe; step`);
    await going.checkpoint();
    expect((await going.now()).repository).toEqual({
      commits: 0,
      diverged_branches: [],
      error: null,
    });
    await going.step();
    const ended = await going.end();
    expect(ended.repository).toEqual({ commits: 1, diverged_branches: [], error: null });
  });
}
