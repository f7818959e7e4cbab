import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import { expectProblem, type TestPerson } from "../support/server/app.js";
import { createGitKey } from "../support/git/clone.js";
import {
  makeAgent,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "../support/fixtures/factories.js";
import { gitInRepository } from "../support/git/git.js";
import { openObjectBuilder, pushBody, zeroOid } from "../support/git/packs.js";
import { shell, waitForRunEnd } from "../support/fixtures/runs.js";
import {
  makeBystander,
  startServerUnderAttack,
  type Bystander,
  type ServerUnderAttack,
} from "../support/server/server-under-attack.js";

describe("trees that expand without bounds", () => {
  let server: ServerUnderAttack;
  let innocent: Bystander;
  let attacker: TestPerson;
  let project: Project;
  let key: string;
  const forge = openObjectBuilder();
  beforeAll(async () => {
    server = await startServerUnderAttack();
    innocent = await makeBystander(server);
    attacker = await server.person("attacker");
    project = await makeProject(attacker, (await makeOrganization(attacker)).id);
    key = await createGitKey(attacker);
  });
  afterAll(async () => {
    await server.close();
    forge.dispose();
  });

  const push = async (ref: string, tip: string, oids: string[], from = zeroOid) => {
    const response = await fetch(`${project.clone_url}/git-receive-pack`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/x-git-receive-pack-request",
      },
      body: Buffer.from(pushBody([[from, tip, ref]], forge.pack(oids))),
    });
    return response.text();
  };
  /** Nested trees with `width` names each: `width` to the power of `levels` files. */
  const bombOf = (width: number, levels: number, content: string): string[] => {
    const oids = [forge.object("blob", content)];
    for (let level = 0; level < levels; level += 1) {
      const mode = level === 0 ? "100644" : "40000";
      const inner = oids.at(-1) as string;
      oids.push(
        forge.tree(
          Array.from({ length: width }, (_none, at) => [
            mode,
            `n${String(at).padStart(2, "0")}`,
            inner,
          ]),
        ),
      );
    }
    return oids;
  };

  test("a push of a few objects is rejected before git expands them", async () => {
    const oids = bombOf(10, 10, "bomb\n");
    const tip = forge.commit(oids.at(-1) as string);
    await innocent.during(async () => {
      for (let round = 0; round < 50; round += 1) {
        expect(await push(`refs/heads/bomb-${round}`, tip, [...oids, tip])).toContain(
          "split the push into smaller commits",
        );
      }
    });
    expect(await gitInRepository(server, project, "for-each-ref", "refs/heads/bomb-*")).toBe("");
  });

  test("a run that nests 2 000 folders does not delay others by its checkpoint", async () => {
    const { agent } = await makeWorkspace(attacker, project.id);
    const params = { agent_id: agent.id };
    const script = "i=0; while [ $i -lt 2000 ]; do mkdir d; cd -P d; i=$((i+1)); done; : > file";
    await innocent.during(async () => {
      const { data } = await attacker.api.runs.create({ params, body: { command: shell(script) } });
      await waitForRunEnd(attacker, data.id);
      const body = { commit_type: "checkpoint" } as const;
      for (let round = 0; round < 20; round += 1) {
        const problem = await expectProblem(
          attacker.api.workspaces.createCommit({ params, body }),
          422,
          "unsafe_path",
        );
        expect(problem["path"]).toMatch(/^d(?:\/d){127,}/);
      }
    });
  });

  test("a merge with a too large result is rejected, although both sides are within the limits", async () => {
    const agent = await makeAgent(attacker, project.id);
    const params = { agent_id: agent.id };
    const remote = { workspace_type: "remote" } as const;
    const { data: workspace } = await attacker.api.workspaces.create({ params, body: remote });
    const start = workspace.head_commit as string;
    for (const [branch, name, width] of [
      ["main", "one", 98],
      [workspace.branch_name, "two", 40],
    ] as const) {
      const oids = bombOf(width, 3, `${name}\n`);
      const root = forge.tree([["40000", name, oids.at(-1) as string]]);
      const tip = forge.commit(root, [start]);
      const ref = `refs/heads/${branch}`;
      expect(await push(ref, tip, [...oids, root, tip], start)).toContain(`ok ${ref}`);
    }
    const problem = await expectProblem(
      attacker.api.workspaces.createMerge({ params }),
      422,
      "tree_too_large",
    );
    expect(problem.detail).toContain("more than 1000000 files and folders");
  });
});
