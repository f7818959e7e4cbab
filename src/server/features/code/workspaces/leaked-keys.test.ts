import { readdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { openCloneFactory, createGitKey } from "#test/support/git/clone.js";
import {
  folderOf,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import { generateKey } from "#shared/node/key-text.js";

describe("a valid API key is kept out of commits", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let workspace: Workspace;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
  });
  beforeEach(async () => {
    project = await makeProjectWith(owner, org.id, { "a.txt": "a\n", "src/b.txt": "b\n" });
    ({ workspace } = await makeWorkspace(owner, project.id));
  });

  const at = () => ({ agent_id: workspace.agent_id });
  const commit = (message?: string) =>
    owner.api.workspaces.createCommit({
      params: at(),
      body: { commit_type: "checkpoint", ...(message === undefined ? {} : { message }) },
    });
  const newKey = async (by = owner, scope: { organization_id?: string } = {}) => {
    const { data } = await by.api.apiKeys.create({ body: { name: "CI", ...scope } });
    return { id: data.id, text: data.key as string, params: { key_id: data.id } };
  };

  test("in a link's target and in a message", async () => {
    const { text: key } = await newKey();
    await symlink(key, join(folderOf(workspace), "link"));
    expect(await expectProblem(commit(), 422, "leaked_key")).toMatchObject({
      path: "link",
      line: 1,
    });
    await writeFiles(workspace, { "c.txt": "c\n" });
    await expectProblem(commit(`use ${key}`), 422, "leaked_key");
  });

  test("ignored files and text that only resembles a key are accepted", async () => {
    const { text: key } = await newKey();
    await writeFiles(workspace, { ".gitignore": ".env\n", ".env": key });
    expect((await commit()).data.created).toBe(true);
    // One well-formed key of no installation, and one with a wrong checksum.
    const mistyped = key.slice(0, -1) + (key.endsWith("0") ? "1" : "0");
    await writeFiles(workspace, { "docs.md": `${generateKey("sk_live_")}\n${mistyped}\n` });
    expect((await commit()).data.created).toBe(true);
  });

  test("its owner is notified once, and its organization's audit log has one event", async () => {
    const person = await app.person("stranger");
    const own = await makeOrganization(person);
    const { id, text: key } = await newKey(person, { organization_id: own.id });
    await writeFiles(workspace, { "a.txt": `a\n${key}\n` });
    await expectProblem(commit(), 422, "leaked_key");
    await expectProblem(commit(), 422, "leaked_key");
    const letters = async () => {
      const folder = join(app.dataDir, "outbox");
      const names = await readdir(folder).catch(() => []);
      const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
      return texts.filter((text) => text.includes(id) && text.includes("about to be committed"));
    };
    await expect.poll(async () => (await letters()).length).toBe(1);
    expect((await letters())[0]).not.toContain(key);
    const { data: events } = await person.api.audit.list({ params: { org_id: own.id } });
    expect(events.filter(({ action }) => action === "api_key.exposed")).toHaveLength(1);
    expect(JSON.stringify(events)).not.toContain(key);
  });

  test("in a push, which is rejected as a whole", async () => {
    const clones = await openCloneFactory();
    const { text: key } = await newKey();
    const pushing = await createGitKey(owner);
    const clone = await clones.clone(project.clone_url, pushing);
    const before = await gitInRepository(app, project, "rev-parse", "main");
    await clone.commit({ "deploy.sh": `#!/bin/sh\ncurl -H "Authorization: Bearer ${key}"\n` });
    const refused = await clone.push("main");
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('"deploy.sh", line 2, contains an active API key');
    expect(refused.stderr).not.toContain(key);
    expect(await gitInRepository(app, project, "rev-parse", "main")).toBe(before);
    const sent = await clone.git("rev-parse", "HEAD");
    await expect(gitInRepository(app, project, "cat-file", "-e", sent)).rejects.toThrow();
    // A later commit removes the key, but the pushed history still contains it.
    await clone.commit({ "deploy.sh": "#!/bin/sh\n" });
    expect((await clone.push("main")).code).not.toBe(0);
    await clone.git("reset", "--soft", "HEAD~2");
    await clone.git("commit", "--quiet", "--message", "Deploy");
    expect((await clone.push("main")).code).toBe(0);
    await clones.dispose();
  });
});
