/** Git inside a run: the workspace is a repository, and commits made in it reach the branch. */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Run } from "#shared/api/execution/runs.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
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
import { describeEachSandbox } from "#test/support/sandbox/test-sandbox.js";
import { gitInRepository } from "#test/support/git/git.js";

describeEachSandbox("git inside a run", ({ setting }) => {
  let app: TestApp;
  let owner: TestPerson;
  let project: Project;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_SANDBOX: setting }, "real");
    owner = await app.person("Ada");
    project = await makeProject(owner, (await makeOrganization(owner)).id);
  });
  afterAll(() => app?.close());

  const run = async ({ id }: Agent, script: string): Promise<Run & { text: string }> => {
    const params = { agent_id: id };
    const { data } = await owner.api.runs.create({ params, body: { command: shell(script) } });
    const ended = await waitForRunEnd(owner, data.id);
    const log = await send(app, "GET", `/api/v1/runs/${data.id}/logs`, { token: owner.token });
    return { ...ended, text: log.text };
  };
  const commitsOf = async ({ id }: Agent) =>
    (await owner.api.workspaces.commits({ params: { agent_id: id }, query: {} })).data;
  const inRepository = (...args: string[]) => gitInRepository(app, project, ...args);
  const none = { commits: 0, diverged_branches: [], error: null };

  test("shows the workspace's branch and the base branch, clean", async () => {
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const ended = await run(
      agent,
      "git status --short --branch; git branch --format='%(refname:short)'; git fsck 2>&1; git log --format=%H; cat .git/HEAD",
    );
    expect(ended).toMatchObject({ status: "succeeded", checkpoint: null, repository: none });
    expect(ended.text.split("\n")).toEqual([
      `## ${workspace.branch_name}`,
      "main",
      workspace.branch_name,
      ...(await inRepository("rev-list", "main")).split("\n"),
      `ref: refs/heads/${workspace.branch_name}`,
      "",
    ]);
    const params = { agent_id: agent.id };
    expect((await owner.api.workspaces.changes({ params })).data.files).toEqual([]);
  });

  test("commits reach the branch with their messages, and the rest becomes the checkpoint", async () => {
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const ended = await run(
      agent,
      `set -e
      echo one > one.txt; git add one.txt; git commit -qm 'Add one'
      echo two > two.txt; git add two.txt
      GIT_AUTHOR_NAME=Eve GIT_AUTHOR_EMAIL=eve@example.com git commit -qm 'Add two' -m 'Because.'
      echo three > three.txt; git rm -q one.txt`,
    );
    expect(ended).toMatchObject({ status: "succeeded", repository: { ...none, commits: 2 } });
    const [checkpoint, two, one] = await commitsOf(agent);
    expect(checkpoint).toMatchObject({ commit_type: "checkpoint", files_changed: 2 });
    expect(two).toMatchObject({
      commit_type: "manual",
      message: "Add two\n\nBecause.",
      files_changed: 1,
      additions: 1,
    });
    expect(one).toMatchObject({ commit_type: "manual", message: "Add one" });
    expect(ended.checkpoint).toEqual({ commit_sha: checkpoint?.commit_sha, error: null });
    const line = await inRepository(
      "log",
      "--format=%H %an <%ae> %s",
      `main..${workspace.branch_name}`,
    );
    expect(line.split("\n")).toEqual([
      `${checkpoint?.commit_sha} ${agent.name} <${agent.id}@agents.omoi> [Agent ${agent.name}] Checkpoint`,
      `${two?.commit_sha} Eve <eve@example.com> Add two`,
      `${one?.commit_sha} ${agent.name} <${agent.id}@agents.omoi> Add one`,
    ]);
    expect(await inRepository("ls-tree", "--name-only", workspace.branch_name)).toContain(
      "three.txt",
    );

    // The next run starts at the checkpoint.
    const next = await run(
      agent,
      "git status --short; git log --format=%s; git stash list; git fsck",
    );
    expect(next.text).toBe(
      `[Agent ${agent.name}] Checkpoint\nAdd two\nAdd one\n${await inRepository("log", "--format=%s", "main")}\n`,
    );
    expect(next).toMatchObject({ repository: none, checkpoint: null });
    await inRepository("fsck", "--strict");
  });

  test("keeps stashes, branches and the index, and follows the base branch", async () => {
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    await run(
      agent,
      "git branch mine; echo s > stashed.txt; git stash -qu; git config user.name Custom",
    );
    const other = await makeWorkspace(owner, project.id);
    await commitFiles(owner, other.workspace, { "merged.txt": "merged\n" });
    await mergeIntoBase(owner, other.workspace);
    await commitFiles(owner, workspace, { "by-api.txt": "by API\n" });
    const ended = await run(
      agent,
      `set -e
      git stash list | wc -l; git rev-parse --verify -q mine > /dev/null; git config user.name
      git show main:merged.txt; cat by-api.txt; git status --short; git blame -s by-api.txt | cut -c 9-
      git diff --stat main...HEAD | tail -n 1
      git switch -q main && ls merged.txt && git switch -q - && git merge -q --no-edit main`,
    );
    expect(ended).toMatchObject({ status: "succeeded", repository: { ...none, commits: 1 } });
    expect(ended.text).toBe(
      "1\nCustom\nmerged\nby API\n 1) by API\n 1 file changed, 1 insertion(+)\nmerged.txt\n",
    );
    const [merge] = await commitsOf(agent);
    expect(merge?.message).toBe(`Merge branch 'main' into ${workspace.branch_name}`);
  });

  test("never shows other agents' objects", async () => {
    const [one, two] = [
      await makeWorkspace(owner, project.id),
      await makeWorkspace(owner, project.id),
    ];
    const made = await commitFiles(owner, two.workspace, { "secret.txt": "of the other agent\n" });
    const blob = await inRepository("rev-parse", `${two.workspace.branch_name}:secret.txt`);
    expect((await run(two.agent, `git cat-file -p ${blob}`)).text).toBe("of the other agent\n");
    const ended = await run(
      one.agent,
      `for oid in ${made.commit_sha} ${blob}; do git cat-file -p $oid && echo leaked; done
      find / -name '*.pack' 2>/dev/null | grep -v ^/borrowed; ls /borrowed; cat .git/objects/info/alternates
      (echo x > /borrowed/1/objects/pack/x) 2> /dev/null && echo written; find .git /borrowed -perm -2000 -o -perm -4000; true`,
    );
    expect(ended.text).not.toMatch(/leaked|written/);
    expect(ended.text).not.toContain("of the other agent");
    expect(ended.text).toContain("0\n1\n/borrowed/0/objects\n/borrowed/1/objects\n");

    // A commit that names the objects of the other agent is refused, the files are saved.
    const forged = await run(
      one.agent,
      `echo mine > mine.txt
      tree=$(printf '100644 blob ${blob}\\tstolen.txt\\n' | git mktree --missing)
      commit=$(git commit-tree $tree -p HEAD -m stolen)
      git update-ref HEAD $commit`,
    );
    expect(forged.repository).toMatchObject({ commits: 0, diverged_branches: [] });
    expect(forged.repository?.error).toContain("Its commits were not taken");
    const [checkpoint, ...rest] = await commitsOf(one.agent);
    expect(checkpoint).toMatchObject({ commit_type: "checkpoint", files_changed: 1 });
    expect(rest).toEqual([]);
    expect(await inRepository("ls-tree", "--name-only", one.workspace.branch_name)).not.toContain(
      "stolen",
    );
  });

  const head = async ({ agent_id }: Workspace) =>
    (await owner.api.workspaces.get({ params: { agent_id } })).data.head_commit;

  test("history that does not follow the branch is kept in a branch of its own", async () => {
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    await run(agent, "echo a > a.txt; git add .; git commit -qm 'Add a'; echo b > b.txt");
    const before = await head(workspace);
    const ended = await run(
      agent,
      "git reset -q --soft HEAD~2; git commit -qm 'Squash'; echo c > c.txt; git rev-parse HEAD",
    );
    const sha = ended.text.trim();
    const name = `${workspace.branch_name}-diverged-${sha.slice(0, 12)}`;
    expect(ended.repository).toEqual({ ...none, diverged_branches: [name] });
    expect(await inRepository("rev-parse", name)).toBe(sha);
    // The files are on top of the former head.
    const [checkpoint] = await commitsOf(agent);
    expect(checkpoint).toMatchObject({ commit_type: "checkpoint", files_changed: 1 });
    expect(await inRepository("rev-parse", `${checkpoint?.commit_sha}^`)).toBe(before);
    const next = await run(
      agent,
      "git status --short; git rev-parse HEAD; git reset -q --hard HEAD~1",
    );
    expect(next.text).toBe(`${checkpoint?.commit_sha}\n`);
    // Moving back makes no commits: the files decide.
    expect(next.repository).toEqual(none);
    expect(next.checkpoint?.error).toBeNull();
  });

  test("commits made after a checkpoint of the server follow it", async () => {
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const params = { agent_id: agent.id };
    const { data } = await owner.api.runs.create({
      params,
      body: {
        command: shell(`set -e
          echo one > one.txt; git add one.txt; git commit -qm 'Add one'
          echo early > early.txt; : > up; while [ ! -e go ]; do sleep 0.05; done
          echo two > two.txt; git add two.txt; git commit -qm 'Add two'
          git switch -qc side HEAD~1; git commit -q --allow-empty -m Side; git switch -q -
          git merge -q --no-ff --no-edit side; rm up go`),
      },
    });
    const folder = workspace.working_directory as string;
    await expect.poll(() => existsSync(join(folder, "up"))).toBe(true);
    const checkpoint = await owner.api.workspaces.createCommit({
      params,
      body: { commit_type: "checkpoint" },
    });
    await writeFile(join(folder, "go"), "");
    const ended = await waitForRunEnd(owner, data.id);
    expect(ended).toMatchObject({
      status: "succeeded",
      checkpoint: { error: null },
      repository: { diverged_branches: [], error: null },
    });
    const messages = (await commitsOf(agent)).map(({ message }) => message.split("\n")[0]);
    expect(messages).toEqual([
      `[Agent ${agent.name}] Checkpoint`,
      "Merge branch 'side' into " + workspace.branch_name,
      "Add two",
      "Add one",
      `[Agent ${agent.name}] Checkpoint`,
    ]);
    const { branch_name } = workspace;
    const shas = (await commitsOf(agent)).map(({ commit_sha }) => commit_sha);
    expect(shas.at(-1)).toBe(checkpoint.data.commit_sha);
    expect(await inRepository("rev-list", "--first-parent", `main..${branch_name}`)).toBe(
      shas.join("\n"),
    );
    const files = await inRepository("ls-tree", "--name-only", branch_name);
    expect(files.split("\n")).toEqual(expect.arrayContaining(["early.txt", "one.txt", "two.txt"]));
    expect(files).not.toMatch(/^(up|go)$/m);
    const next = await run(agent, "git status --short; git rev-parse HEAD");
    expect(next.text).toBe(`${shas[0]}\n`);
    await inRepository("fsck", "--strict");
  });
});
