// Thorough: many variants of requests for hidden objects.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { pktLine } from "#git/smart-http/pkt-line.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { openCloneFactory, type Clone } from "#test/support/git/clone.js";
import {
  commitFiles,
  makeAgent,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import { deltaPack, openObjectBuilder, pushBody, zeroOid } from "#test/support/git/packs.js";

describe("a push with an agent's key", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let agent: Agent;
  let own: Workspace;
  let other: Workspace;
  let key: string;
  let clone: Clone;
  let clones: Awaited<ReturnType<typeof openCloneFactory>>;
  /** Objects of the other agent. */
  const secret = { commit: "", tree: "", blob: "" };
  const forge = openObjectBuilder();
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
    project = await makeProjectWith(owner, org.id, { "a.txt": "a\n" });
    agent = await makeAgent(owner, project.id);
    const { data } = await owner.api.workspaces.create({
      params: { agent_id: agent.id },
      body: { workspace_type: "remote" },
    });
    own = data;
    ({ workspace: other } = await makeWorkspace(owner, project.id));
    const commit = await commitFiles(owner, other, { "secret.txt": "the other's secret\n" });
    secret.commit = commit.commit_sha;
    secret.tree = await gitInRepository(app, project, "rev-parse", `${secret.commit}^{tree}`);
    secret.blob = await gitInRepository(app, project, "rev-parse", `${secret.commit}:secret.txt`);
    const body = { name: "agent", agent_id: agent.id };
    key = (await owner.api.apiKeys.create({ body })).data.key as string;
    clones = await openCloneFactory();
    clone = await clones.clone(project.clone_url, key, "--branch", own.branch_name);
    await clone.commit({ "a.txt": "mine\n" });
    await clone.push(own.branch_name);
  });
  afterAll(async () => {
    await clones.dispose();
    forge.dispose();
  });

  const tip = (ref: string) => gitInRepository(app, project, "rev-parse", ref);
  const post = async (from: string, to: string, pack: Buffer) => {
    const ref = `refs/heads/${own.branch_name}`;
    const response = await fetch(`${project.clone_url}/git-receive-pack`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/x-git-receive-pack-request",
      },
      body: new Uint8Array(pushBody([[from, to, ref]], pack)),
    });
    return response.text();
  };

  test("gives the same answer for hidden and missing objects", async () => {
    const head = await tip(own.branch_name);
    const missing = { commit: "1".repeat(40), tree: "2".repeat(40), blob: "3".repeat(40) };
    const empty = forge.tree([]);
    /** Attempts for hidden or missing objects: the sent and the requested ids. */
    const attempts = (of: typeof secret): Record<string, [string, string, Buffer]> => {
      const sent = (commit: string, ...more: string[]): [string, string, Buffer] => [
        head,
        commit,
        forge.pack([commit, empty, ...more]),
      ];
      const withEntry = (mode: string, name: string, oid: string): [string, string, Buffer] => {
        const tree = forge.tree([[mode, name, oid]]);
        return sent(forge.commit(tree, [head]), tree);
      };
      const plain = forge.commit(empty, [head]);
      return {
        "a tip": [head, of.commit, forge.pack([])],
        "a tip that is a file": [head, of.blob, forge.pack([])],
        "where it comes from": [of.commit, plain, forge.pack([plain, empty])],
        "a parent": sent(forge.commit(empty, [head, of.commit])),
        "a parent that is a tree": sent(forge.commit(empty, [head, of.tree])),
        "a tree": sent(forge.commit(of.tree, [head])),
        "a tree that is a file": sent(forge.commit(of.blob, [head])),
        "a file": withEntry("100644", "stolen.txt", of.blob),
        "a file that is a tree": withEntry("100644", "stolen.txt", of.tree),
        "a folder that is a file": withEntry("40000", "stolen", of.blob),
        "a file of submodules": withEntry("100644", ".gitmodules", of.blob),
        "a file of submodules that is a tree": withEntry("100644", ".gitmodules", of.tree),
        "a file of attributes that is a tree": withEntry("100644", ".gitattributes", of.tree),
        "a delta's base": [head, plain, deltaPack(of.blob, "the other's secret\n".length)],
      };
    };
    const before = await gitInRepository(app, project, "for-each-ref");
    const [hidden, unknown] = [attempts(secret), attempts(missing)];
    for (const what of Object.keys(hidden)) {
      const [answer, other] = [await post(...at(hidden, what)), await post(...at(unknown, what))];
      expect([what, answer]).toEqual([what, other]);
      expect([what, answer]).toEqual([what, expect.stringContaining("ng refs/heads/")]);
    }
    expect(await gitInRepository(app, project, "for-each-ref")).toBe(before);
  });

  test("gives the same answer for both when fetching", async () => {
    const ask = async (...lines: string[]): Promise<[number, string]> => {
      const frames = lines.map((line) => (line === "" ? "0000" : pktLine(`${line}\n`).toString()));
      const response = await fetch(`${project.clone_url}/git-upload-pack`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${key}`,
          "content-type": "application/x-git-upload-pack-request",
        },
        body: frames.join(""),
      });
      let text = "";
      try {
        for await (const chunk of response.body ?? [])
          text += Buffer.from(chunk).toString("latin1");
      } catch {
        // git exited with an error after it had reported the reason.
        text += "…";
      }
      return [response.status, text.replace(/"request_id":"[^"]*"/, "")];
    };
    const head = await tip(own.branch_name);
    const base = await tip("main");
    for (const [hidden, unknown] of [
      [secret.commit, "1".repeat(40)],
      [secret.tree, "1".repeat(40)],
      [secret.blob, "1".repeat(40)],
    ] as const) {
      const answers = async (id: string) => [
        await ask(`want ${id}`, "", "done"),
        await ask(`want ${head}`, "", `have ${id}`, ""),
        await ask(`want ${head} multi_ack_detailed`, "", `have ${base}`, `have ${id}`, ""),
        await ask(`want ${head} shallow`, `shallow ${id}`, "deepen 1", ""),
        await ask(`want ${head} deepen-not`, `deepen-not ${id}`, ""),
        await ask(`want ${head} deepen-not`, `deepen-not refs/heads/${other.branch_name}`, ""),
      ];
      expect(await ask(`want ${hidden}`, "", "done")).toEqual([
        200,
        expect.stringContaining(`ERR upload-pack: not our ref ${hidden}`),
      ]);
      const text = JSON.stringify(await answers(hidden)).replaceAll(hidden, unknown);
      expect(text).toBe(JSON.stringify(await answers(unknown)));
    }
    // Readable commits remain common ground.
    const [, common] = await ask(`want ${head}`, "", `have ${base}`, "");
    expect(common).toContain(`ACK ${base}`);
    const [status] = await ask(`want ${head} deepen-not`, "deepen-not refs/heads/none", "");
    expect(status).toBe(400);
  });

  function at<Value>(of: Record<string, Value>, name: string): Value {
    return of[name] as Value;
  }

  test("restores commits of its own history without sending them again", async () => {
    const first = await clone.git("rev-parse", "HEAD");
    await clone.commit({ "a.txt": "changed\n" });
    expect((await clone.push(own.branch_name)).code).toBe(0);
    await clone.git("revert", "--no-edit", "HEAD");
    expect((await clone.push(own.branch_name)).code).toBe(0);
    const tree = await tip(`${own.branch_name}^{tree}`);
    expect(tree).toBe(await gitInRepository(app, project, "rev-parse", `${first}^{tree}`));
    // Only the commit, whose tree is from the past.
    const head = await tip(own.branch_name);
    const bare = forge.commit(await tip("main^{tree}"), [head]);
    expect(await post(head, bare, forge.pack([bare]))).toContain("unpack ok");
    expect(await tip(own.branch_name)).toBe(bare);
    expect(await post(zeroOid, bare, forge.pack([]))).toContain("the branch has changed");
  });
});
