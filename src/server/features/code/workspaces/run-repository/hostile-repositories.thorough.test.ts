/**
 * Repositories that an agent filled with traps: each ends in a message or has no effect, the files are
 * committed, and nothing of it is executed or read outside of the sandbox.
 */
import { existsSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Run } from "#shared/api/execution/runs.js";
import type { Project } from "#shared/api/code/projects.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { describeEachDriver } from "#test/support/git/folder-drivers.js";
import { shell, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { send } from "#test/support/http/raw-request.js";
import { gitInRepository } from "#test/support/git/git.js";

describeEachDriver("a hostile repository of a run", (driver) => {
  let app: TestApp;
  let owner: TestPerson;
  let project: Project;
  beforeAll(async () => {
    const settings = { OMOI_FOLDER_DRIVER: driver, OMOI_MAX_PUSH_MIB: "2" };
    app = await startTestApp(settings, "real");
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
  const saved = { checkpoint: { commit_sha: expect.any(String) as string, error: null } };
  const save = "echo saved >> saved.txt;";
  const owned = "/tmp/owned-by-a-repository";

  /** Runs the script in a repository with one commit, then a run that uses git as usual. */
  async function attack(
    script: string,
  ): Promise<[attacked: Run & { text: string }, next: Run & { text: string }]> {
    const { agent } = await makeWorkspace(owner, project.id);
    const attacked = await run(agent, `${save} ${script}`);
    const next = await run(
      agent,
      `${save} echo head $(git log --format=%s -n 1 2>&1); echo next > next.txt; git add next.txt; git commit -qm Next`,
    );
    expect(existsSync(owned)).toBe(false);
    expect(attacked).toMatchObject(saved);
    expect(next).toMatchObject(saved);
    return [attacked, next];
  }

  test.each([
    [
      "hooks",
      `mkdir -p .git/hooks; for h in pre-commit post-index-change reference-transaction post-checkout; do
        printf '#!/bin/sh\\necho ran >> ${owned}; echo ran >> hooked.txt\\n' > .git/hooks/$h; chmod +x .git/hooks/$h; done`,
    ],
    [
      "programs in the settings",
      `for key in core.fsmonitor core.sshCommand core.pager core.editor core.askPass diff.external gpg.program core.alternateRefsCommand uploadpack.packObjectsHook credential.helper; do
        git config $key 'touch ${owned}'; done
      git config filter.x.clean 'touch ${owned}; cat'; git config filter.x.smudge 'touch ${owned}; cat'
      echo '* filter=x' > .git/info/attributes 2> /dev/null || { mkdir .git/info; echo '* filter=x' > .git/info/attributes; }`,
    ],
    ["alternates", "mkdir -p .git/objects/info; echo /nonexistent > .git/objects/info/alternates"],
    ["a common folder", "mkdir /workspace/common; echo ../common > .git/commondir"],
    ["a shallow file", "git rev-parse HEAD > .git/shallow"],
    [
      "grafts and replaced objects",
      `mkdir -p .git/info; git rev-parse HEAD > .git/info/grafts
      git replace HEAD $(git commit-tree -m replaced HEAD^{tree})`,
    ],
    [
      "stale locks and half an operation",
      `touch .git/index.lock .git/HEAD.lock .git/config.lock; git rev-parse HEAD > .git/MERGE_HEAD; mkdir .git/rebase-merge`,
    ],
    ["an index that is garbage", "echo garbage > .git/index"],
    [
      "100 000 refs",
      `head=$(git rev-parse HEAD); i=0; while [ $i -lt 100000 ]; do echo "$head refs/heads/b$i"; i=$((i+1)); done > .git/packed-refs`,
    ],
  ])("%s have no effect", async (_name, script) => {
    const [attacked, next] = await attack(script);
    expect(attacked.repository?.error ?? null).toBeNull();
    expect(next.text).toMatch(/^head .*Checkpoint$/m);
    expect(next.repository).toMatchObject({ commits: 1, diverged_branches: [], error: null });
  });

  test.each([
    ["a file", "rm -rf .git; echo gitdir: /etc > .git", ".git is not a folder"],
    [
      "a link",
      "mv .git /workspace/moved; rm -rf moved/.git; ln -s /etc .git; rm -rf moved",
      ".git is not a folder",
    ],
    ["a pipe", "rm -rf .git; mkfifo .git", ".git is not a folder"],
    ["another repository", "rm -rf .git; git init -q", "the agent made itself"],
    ["garbage in HEAD", "echo garbage > .git/HEAD", "git cannot use .git"],
    ["settings of a newer git", "git config core.repositoryFormatVersion 9", "git cannot use .git"],
    [
      "a huge config",
      "head -c 30000000 /dev/zero | tr '\\0' '[' >> .git/config",
      "git cannot use .git",
    ],
    ["objects that are a file", "rm -rf .git/objects; : > .git/objects", "git cannot use .git"],
    [
      "a folder in place of the branch",
      "ref=.git/$(git symbolic-ref HEAD); rm $ref; mkdir -p $ref/x; git rev-parse main > $ref/x/y",
      "git cannot use .git",
    ],
  ])("%s is reported in the log, and the run goes on", async (_name, script, message) => {
    const [, next] = await attack(script);
    expect(next.status).not.toBe("lost");
    expect(next.text).toContain(`The run has no git repository: `);
    expect(next.text).toContain(message);
    expect(next.repository?.error).toContain(message);
  });

  test.each([
    [
      "pipes",
      "for f in HEAD config index packed-refs omoi; do rm -f .git/$f; mkfifo .git/$f; done",
    ],
    [
      "a link",
      "git commit -q --allow-empty -m Empty; mv .git/index moved; ln -s ../moved .git/index",
    ],
  ])("%s in place of files are reported", async (_name, script) => {
    const { agent } = await makeWorkspace(owner, project.id);
    const attacked = await run(agent, `${save} ${script}`);
    expect(attacked).toMatchObject(saved);
    expect(attacked.repository?.error).toMatch(/^Its commits were not taken: /);
    const next = await run(agent, `${save} echo next > next.txt`);
    expect(next).toMatchObject({ ...saved, status: "succeeded" });
    expect(next.text).toMatch(
      /The run has no git repository: .git\/[a-zA-Z-]+ is not a regular file/,
    );
  });

  test("a deleted repository is made again", async () => {
    const [, next] = await attack("rm -rf .git");
    expect(next.repository).toMatchObject({ commits: 1, error: null });
  });

  test.each([
    [
      "a pack above the limit",
      "head -c 3000000 /dev/urandom > big; git add big; git commit -qm Big; git rm -q big",
      /larger than 2 MiB/,
    ],
    [
      "a forbidden path",
      `tree=$(printf '040000 tree %s\\t.GIT\\n' $(git mktree < /dev/null) | git mktree); git update-ref HEAD $(git commit-tree -p HEAD -m bad $tree)`,
      /git rejects the object/,
    ],
    [
      "a malformed commit",
      `oid=$(printf 'tree %s\\nparent %s\\nauthor A <a> x\\ncommitter A <a> x\\n\\nbad\\n' $(git rev-parse HEAD^{tree}) $(git rev-parse HEAD) | git hash-object -t commit --stdin -w --literally); git update-ref HEAD $oid`,
      /git rejects the object/,
    ],
    [
      "missing objects",
      `echo x > x; git add x; git commit -qm X; oid=$(git rev-parse HEAD:x); rm -f .git/objects/$(echo $oid | cut -c 1-2)/$(echo $oid | cut -c 3-)`,
      /not taken/,
    ],
    [
      "more than 1000 commits",
      `ref=$(git symbolic-ref HEAD)
      { echo "commit $ref"; echo 'committer A <a@example.com> 1 +0000'; echo 'data 0'; echo "from $(git rev-parse HEAD)"
        i=0; while [ $i -lt 1000 ]; do printf 'commit %s\ncommitter A <a@example.com> 1 +0000\ndata 0\n' $ref; i=$((i+1)); done
      } | git fast-import --quiet`,
      /at most 1000 commits/,
    ],
  ])("%s is refused, and the files are committed", async (_name, script, message) => {
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const ended = await run(agent, `${save} ${script}`);
    expect(ended).toMatchObject(saved);
    expect(ended.repository).toMatchObject({ commits: 0, diverged_branches: [] });
    expect(ended.repository?.error).toMatch(message);
    expect(ended.repository?.error).toMatch(/^Its commits were not taken: .*\.$/);
    const { branch_name } = workspace;
    expect(await gitInRepository(app, project, "show", `${branch_name}:saved.txt`)).toBe("saved");
    await gitInRepository(app, project, "fsck", "--strict");
  });

  test("an active API key in a commit is refused", async () => {
    const { agent } = await makeWorkspace(owner, project.id);
    const ended = await run(
      agent,
      `${save} printf '%s' "$OMOI_TOKEN" > key; git add key; git commit -qm Key; git rm -q --cached key; rm key`,
    );
    // The token of the run has ended with it; a key of the owner is still active.
    expect(ended).toMatchObject(saved);
    const { data: key } = await owner.api.apiKeys.create({ body: { name: "leaked" } });
    const leaked = await run(
      agent,
      `${save} printf 'key %s\\n' ${key.key as string} > key; git add key; git commit -qm Key; git rm -q --cached key; rm key`,
    );
    expect(leaked).toMatchObject(saved);
    expect(leaked.repository?.error).toContain("contains an active API key");
  });
});
