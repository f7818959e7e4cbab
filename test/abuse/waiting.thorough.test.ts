/** Attacks by one organization with many waiting callers. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ApiError } from "#shared/contract/call.js";
import type { TestPerson } from "../support/server/app.js";
import { makeOrganization, makeProject, makeWorkspace } from "../support/fixtures/factories.js";
import { shell, waitForRunEnd } from "../support/fixtures/runs.js";
import { makeBystander, startServerUnderAttack } from "../support/server/server-under-attack.js";
import type { Bystander, ServerUnderAttack } from "../support/server/server-under-attack.js";

describe("an organization with many waiting callers", () => {
  let server: ServerUnderAttack;
  let innocent: Bystander;
  let attacker: TestPerson;
  let projectId: string;
  beforeAll(async () => {
    server = await startServerUnderAttack();
    innocent = await makeBystander(server);
    attacker = await server.person("attacker");
    projectId = (await makeProject(attacker, (await makeOrganization(attacker)).id)).id;
  });
  afterAll(() => server.close());

  /** A workspace after a command of the agent. */
  const workspaceAfter = async (script: string) => {
    const made = await makeWorkspace(attacker, projectId);
    await attacker.api.workspaces.update({
      params: { agent_id: made.agent.id },
      body: { settings: { auto_checkpoint: false } },
    });
    const body = { command: shell(script) };
    const { data } = await attacker.api.runs.create({ params: { agent_id: made.agent.id }, body });
    expect((await waitForRunEnd(attacker, data.id)).status).toBe("succeeded");
    return made;
  };
  /** The error codes of rejected calls; fails if a call failed otherwise. */
  const codesOf = async (calls: Promise<unknown>[]): Promise<(string | null)[]> =>
    Promise.all(
      calls.map((call) =>
        call.then(
          () => null,
          (error: unknown) => {
            if (error instanceof ApiError) return error.problem.code;
            throw error;
          },
        ),
      ),
    );

  test("a pipe in place of .gitignore delays no other organization's runs", async () => {
    const { agent } = await workspaceAfter("mkfifo .gitignore; echo text > file");
    const params = { agent_id: agent.id };
    const codes = await innocent.during(async () =>
      codesOf(Array.from({ length: 300 }, () => attacker.api.workspaces.changes({ params }))),
    );
    expect(codes).toContain("unsafe_path");
    expect(codes.filter((code) => code !== "unsafe_path" && code !== "workspace_busy")).toEqual([]);
  });

  test("many checkpoints of one large workspace delay no other organization's commits", async () => {
    const { workspace } = await workspaceAfter(
      "for i in $(seq 1 20); do mkdir d$i; for j in $(seq 1 50); do echo $i $j > d$i/$j; done; done",
    );
    const params = { agent_id: workspace.agent_id };
    const codes = await innocent.during(async () => {
      const calls = Array.from({ length: 200 }, () =>
        attacker.api.workspaces.createCommit({ params, body: { commit_type: "checkpoint" } }),
      );
      return codesOf(calls);
    });
    expect(codes).toContain(null);
    expect(codes.filter((code) => code !== null && code !== "workspace_busy")).toEqual([]);
  });
});
