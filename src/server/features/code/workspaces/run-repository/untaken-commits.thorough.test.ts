/** Commits of runs that are not taken, or not as they are. */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Run } from "#shared/api/execution/runs.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { PackRefusedError, Quarantine } from "#git/smart-http/quarantine.js";
import { AppError } from "#server/errors.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProject,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { shell, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { send } from "#test/support/http/raw-request.js";
import { gitInRepository } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";

let app: TestApp;
let owner: TestPerson;
let project: Project;
beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required" }, "real");
  owner = await app.person("Ada");
  project = await makeProject(owner, (await makeOrganization(owner)).id);
});
afterEach(() => void vi.restoreAllMocks());
afterAll(() => app?.close());

const inRepository = (...args: string[]) => gitInRepository(app, project, ...args);
const none = { commits: 0, diverged_branches: [], error: null };

async function run({ id }: Agent, script: string): Promise<Run & { text: string }> {
  const params = { agent_id: id };
  const { data } = await owner.api.runs.create({ params, body: { command: shell(script) } });
  return withText(await waitForRunEnd(owner, data.id));
}

async function withText(ended: Run): Promise<Run & { text: string }> {
  const log = await send(app, "GET", `/api/v1/runs/${ended.id}/logs`, { token: owner.token });
  return { ...ended, text: log.text };
}

/** Runs a script that waits once for the file `go`, and calls `meanwhile` then. */
async function runWith(
  { agent, workspace }: { agent: Agent; workspace: Workspace },
  script: string,
  meanwhile: () => Promise<unknown>,
): Promise<Run & { text: string }> {
  const { data } = await owner.api.runs.create({
    params: { agent_id: agent.id },
    body: {
      command: shell(
        `set -e; wait_for_go() { : > up; while [ ! -e go ]; do sleep 0.05; done; rm up go; }; ${script}`,
      ),
    },
  });
  const folder = workspace.working_directory as string;
  await expect.poll(() => existsSync(join(folder, "up"))).toBe(true);
  await meanwhile();
  await writeFile(join(folder, "go"), "");
  return withText(await waitForRunEnd(owner, data.id));
}

test("a pack that is not read to its end does not hold up the run, and the next run keeps its commits", async () => {
  const { agent, workspace } = await makeWorkspace(owner, project.id);
  vi.spyOn(Quarantine.prototype, "receive").mockRejectedValueOnce(
    new PackRefusedError("\u001b[31mof a test"),
  );
  const ended = await run(
    agent,
    "head -c 8000000 /dev/urandom > big; git add big; git commit -qm Big; git rev-parse HEAD",
  );
  expect(ended).toMatchObject({ status: "succeeded", checkpoint: { error: null } });
  const error = "Its commits were not taken: [31mof a test.";
  expect(ended.repository).toEqual({ ...none, error });

  const branch = `${workspace.branch_name}-untaken-${ended.text.slice(0, 12)}`;
  const next = await run(agent, `git log -1 --format=%s ${branch}; git status --short`);
  expect(next.text).toBe(
    `Commits of an earlier run were not taken; they are now in the branch ${branch}.\nBig\n`,
  );
  // It is named once.
  expect((await run(agent, "git log -1 --format=%s")).text).not.toContain("untaken");
});

test("commits of a lost run that is not saved yet are taken before the next run starts", async () => {
  const { agent } = await makeWorkspace(owner, project.id);
  vi.spyOn(Quarantine.prototype, "receive").mockRejectedValueOnce(
    new PackRefusedError("of a test"),
  );
  const lost = await run(agent, "git commit -q --allow-empty -m Lost");
  expect(lost.repository).toMatchObject({ commits: 0 });
  // As if the server had ended before it saved the workspace; its own look comes within seconds.
  await queryAsOwner(app, "update runs set is_unsaved = true where id = $1", [lost.id]);
  const next = await run(agent, "git log -1 --format=%s; git branch --list '*untaken*'");
  expect(next.text).toBe("Lost\n");
  const { data: saved } = await owner.api.runs.get({ params: { run_id: lost.id } });
  expect(saved.repository).toEqual({ ...none, commits: 1 });
});

test("a busy workspace is the recorded reason", async () => {
  const made = await makeWorkspace(owner, project.id);
  const ended = await runWith(
    made,
    "git commit -q --allow-empty -m Empty; wait_for_go",
    async () => {
      const { locks } = app.db;
      vi.spyOn(app.db, "locks").mockImplementation((orgId, names, work) =>
        names.includes(`workspace ${made.agent.id}`)
          ? Promise.reject(new AppError("workspace_busy", "The workspace is busy."))
          : locks.call(app.db, orgId, names, work),
      );
    },
  );
  expect(ended.checkpoint?.error).toBe("The workspace is busy.");
  expect(ended.repository).toEqual({
    ...none,
    error: "Its commits were not taken: The workspace is busy.",
  });
});

test("commits of the base branch keep their ids when a checkpoint comes before them", async () => {
  const made = await makeWorkspace(owner, project.id);
  const { agent, workspace } = made;
  const other = await makeWorkspace(owner, project.id);
  await commitFiles(owner, other.workspace, { "merged.txt": "merged\n" });
  await mergeIntoBase(owner, other.workspace);
  const main = await inRepository("rev-parse", "main");
  const checkpoint = { commit_type: "checkpoint" } as const;
  const ended = await runWith(
    made,
    `git merge -q --ff-only main; echo early > early.txt; wait_for_go
    echo one > one.txt; git add one.txt; git commit -qm 'Add one'; git rev-parse HEAD`,
    () => owner.api.workspaces.createCommit({ params: { agent_id: agent.id }, body: checkpoint }),
  );
  expect(ended.repository).toEqual({ ...none, commits: 1 });
  const branch = workspace.branch_name;
  const line = await inRepository("log", "--format=%s", "--first-parent", `main..${branch}`);
  const name = `[Agent ${agent.name}] Checkpoint`;
  expect(line.split("\n")).toEqual([name, `Merge commit '${ended.text.trim()}'`, name]);
  expect(await inRepository("merge-base", branch, "main")).toBe(main);
  // The checkpoints, the merge and the agent's commit, which has its id: nothing was written again.
  expect(await inRepository("rev-list", "--count", `main..${branch}`)).toBe("4");
  const files = await inRepository("ls-tree", "--name-only", branch);
  expect(files.split("\n")).toEqual(expect.arrayContaining(["early.txt", "merged.txt", "one.txt"]));
  expect((await run(agent, "git status --short")).text).toBe("");
});

test("too many commits of a merged branch are refused", async () => {
  const { agent } = await makeWorkspace(owner, project.id);
  const ended = await run(
    agent,
    `{ i=0; while [ $i -le 10000 ]; do
      printf 'commit refs/heads/side\\ncommitter A <a@example.com> 1 +0000\\ndata 0\\n'; i=$((i+1)); done
    } | git fast-import --quiet
    git merge -q --allow-unrelated-histories -s ours -m Merge side`,
  );
  expect(ended.status).toBe("succeeded");
  expect(ended.repository).toEqual({
    ...none,
    error:
      "Its commits were not taken: a run can add at most 10000 commits with those of merged branches.",
  });
});

test("branches of diverged commits make room, unless they were moved or are used", async () => {
  const { agent, workspace } = await makeWorkspace(owner, project.id);
  const [tree, prefix] = [
    await inRepository("rev-parse", "main^{tree}"),
    `${workspace.branch_name}-diverged-`,
  ];
  const names: string[] = [];
  const person = ["-c", "user.name=A", "-c", "user.email=a@example.com"];
  for (let number = 0; number < 21; number += 1) {
    const sha = await inRepository(...person, "commit-tree", tree, "-m", `Old ${number}`);
    names.push(prefix + sha.slice(0, 12));
    await inRepository("branch", names[number] as string, sha);
  }
  const moved = `${prefix}0123456789ab`;
  await inRepository("branch", moved, names[0] as string);
  const [used] = names as [string];
  await app.db.tenant(project.organization_id, (tx) =>
    tx.execute(`update workspaces set base_branch = '${used}' where agent_id = '${agent.id}'`),
  );
  const ended = await run(agent, "git commit -q --amend --allow-empty -m Other");
  const [made] = ended.repository?.diverged_branches ?? [];
  const left = (
    await inRepository("branch", "--format=%(refname:short)", "--list", `${prefix}*`)
  ).split("\n");
  expect(left).toEqual(expect.arrayContaining([used, moved, made]));
  // 20 of this workspace, the moved and the used one.
  expect(left).toHaveLength(22);
});

test("the author is set again, and a repository that was not completed is completed", async () => {
  const { agent } = await makeWorkspace(owner, project.id);
  await run(
    agent,
    "git config --unset user.name; git config --unset core.checkStat; : > .git/omoi",
  );
  const next = await run(agent, "git config user.name; git config core.checkStat");
  expect(next.text).toBe(`${agent.name}\nminimal\n`);
});
