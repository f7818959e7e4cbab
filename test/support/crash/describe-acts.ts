import { randomInt } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { folderOf } from "../fixtures/factories.js";
import { openCloneFactory, withKey } from "../git/clone.js";
import {
  describeEachDriver,
  describeMainDriver,
  type FolderDriverName,
} from "../git/folder-drivers.js";
import { CrashingServer, type KillTime } from "./crashing-server.js";

/** An act that is interrupted at an effect, and the invariants afterwards. */
interface Act<Subject> {
  prepare: (server: CrashingServer) => Promise<Subject>;
  act: (server: CrashingServer, subject: Subject) => Promise<unknown>;
  /** After the restart: nothing is lost or duplicated, and the act can be repeated. */
  check: (server: CrashingServer, subject: Subject) => Promise<void>;
}

/** Fewer would mean that the counter does not work: a checkpoint writes, moves its branch and records. */
const fewestEffects = 3;

/** All acts have more effects. */
const middle = 2;

/** Effects between two kills. */
const STEP = 8;

/** Kills just before an effect and just after its start, in turn. */
const whenOf = (round: number): KillTime => (round % 2 === 1 ? "before" : "after");

/** Kills a server once in the middle of each act. */
export const describeOneKill = (): void =>
  describeMainDriver("a server that is killed once during", (driver) => tests(driver, true));

/** Kills a server at many effects of each act, at others in each run. */
export function describeManyKills(): void {
  // Each effect needs a restart.
  vi.setConfig({ testTimeout: 1_200_000 });
  describeEachDriver("a server that is killed at effects of", (driver) => tests(driver, false));
}

function tests(driver: FolderDriverName, isOnce: boolean): void {
  let server: CrashingServer;
  let clones: Awaited<ReturnType<typeof openCloneFactory>>;
  beforeAll(async () => {
    server = new CrashingServer(driver);
    await server.open();
    if (isOnce) {
      await server.stop();
      await server.startWithKillAt(middle, "before");
    }
    clones = await openCloneFactory();
  });
  afterAll(async () => {
    await clones.dispose();
    await server.close();
  });
  // Acts on the repository alone do not depend on the driver.
  const testOnce = isOnce || driver === "checkout" ? test : test.skip;
  // Variants of merges are killed at many effects only.
  const testVariant = isOnce ? test.skip : testOnce;

  /** Kills the server once. Each restart prepares the kill of the next act. */
  async function once<Subject>({ prepare, act, check }: Act<Subject>): Promise<void> {
    const subject = await prepare(server);
    expect(await server.runUntilKilled(() => act(server, subject))).toBe(true);
    await server.startWithKillAt(middle, "after");
    await checkAll(subject, check);
  }

  async function checkAll<Subject>(subject: Subject, check: Act<Subject>["check"]): Promise<void> {
    await server.verifyConsistency();
    await check(server, subject);
    await server.verifyConsistency();
    await server.verifyNoTempFiles();
  }

  async function atMany<Subject>({ prepare, act, check }: Act<Subject>): Promise<void> {
    const first = 1 + randomInt(STEP);
    await server.stop();
    await server.startWithKillAt(first, whenOf(1));
    for (let [effect, round] = [first, 1]; ; effect += STEP, round += 1) {
      const subject = await prepare(server);
      const isKilled = await server.runUntilKilled(() => act(server, subject));
      // Arms the counter for the next round.
      if (isKilled) await server.startWithKillAt(effect + STEP, whenOf(round + 1));
      await checkAll(subject, check);
      if (!isKilled) {
        expect(effect).toBeGreaterThan(fewestEffects);
        return;
      }
    }
  }

  // Each restart takes a second; the whole suite must take minutes.
  const atEffects = <Subject>(act: Act<Subject>) => (isOnce ? once(act) : atMany(act));

  test("creating a workspace", () =>
    atEffects({
      prepare: (it) => it.createAgent(),
      act: (it, params) => it.api.workspaces.create({ params }),
      check: async (it, params) => {
        // A reserved workspace is finished; otherwise the request can be repeated.
        const made = await it.api.workspaces
          .get({ params })
          .catch(() => it.api.workspaces.create({ params }));
        expect(made.data.status).toBe("active");
        await writeFile(join(folderOf(made.data), "a.txt"), "a\n");
        expect((await save(it, made.data)).created).toBe(true);
      },
    }));

  test("a checkpoint", () =>
    atEffects({
      prepare: async (it) => {
        const workspace = await it.createWorkspace();
        await writeFile(join(folderOf(workspace), "a.txt"), "a\n");
        return workspace;
      },
      act: (it, workspace) => save(it, workspace),
      check: async (it, workspace) => {
        await save(it, workspace);
        expect((await save(it, workspace)).created).toBe(false);
        expect(await it.git("show", `${workspace.branch_name}:a.txt`)).toBe("a");
        const params = { agent_id: workspace.agent_id };
        expect((await it.api.workspaces.commits({ params })).data).toHaveLength(1);
      },
    }));

  testOnce("a merge with a conflict", () =>
    atEffects({
      prepare: conflicting,
      act: (it, { agent_id }) => it.api.workspaces.createMerge({ params: { agent_id } }),
      check: async (it, { agent_id, text }) => {
        const params = { agent_id };
        await it.api.workspaces.createMerge({ params });
        expect((await it.api.workspaces.createMerge({ params })).data.status).toBe("up_to_date");
        // The merge lease was released.
        expect((await it.api.workspaces.get({ params })).data.status).toBe("active");
        expect(await it.merges(params)).toHaveLength(1);
        expect(await it.git("show", "main:shared.txt")).toBe(text);
      },
    }),
  );

  testVariant("merges that land together", () =>
    atEffects({
      prepare: async (it) => {
        const workspaces: Workspace[] = [];
        for (let nth = 0; nth < 4; nth += 1) {
          const workspace = await it.createWorkspace();
          await writeFile(join(folderOf(workspace), `${workspace.agent_id}.txt`), "own\n");
          await save(it, workspace);
          workspaces.push(workspace);
        }
        return workspaces;
      },
      act: async (it, workspaces) => {
        const merges = workspaces.map(({ agent_id }) =>
          it.api.workspaces.createMerge({ params: { agent_id } }),
        );
        // All of them end with the server.
        await Promise.allSettled(merges);
        await Promise.all(merges);
      },
      check: async (it, workspaces) => {
        for (const { agent_id } of workspaces) {
          const params = { agent_id };
          await it.api.workspaces.createMerge({ params });
          expect(await it.merges(params)).toHaveLength(1);
          expect(await it.git("show", `main:${agent_id}.txt`)).toBe("own");
        }
      },
    }),
  );

  testOnce("a revert", () =>
    atEffects({
      prepare: async (it) => {
        const workspace = await conflicting(it);
        const params = { agent_id: workspace.agent_id };
        const { data } = await it.api.workspaces.createMerge({ params });
        return { params: { ...params, merge_id: data.id as string } };
      },
      act: (it, { params }) => it.api.workspaces.revertMerge({ params }),
      check: async (it, { params }) => {
        const reverts = async () =>
          (await it.merges(params)).filter(({ kind }) => kind === "revert");
        if ((await reverts()).length === 0) await it.api.workspaces.revertMerge({ params });
        expect(await reverts()).toHaveLength(1);
        const { data } = await it.api.workspaces.merge({ params });
        expect(data.reverted_by).toBe((await reverts())[0]?.id);
      },
    }),
  );

  testVariant("restoring a losing version", () =>
    atEffects({
      prepare: async (it) => {
        const workspace = await conflicting(it);
        const params = { agent_id: workspace.agent_id };
        const { data } = await it.api.workspaces.createMerge({ params });
        return { params: { ...params, merge_id: data.id as string }, lost: workspace.lost };
      },
      act: (it, { params }) =>
        it.api.workspaces.restoreVersion({ params, body: { paths: ["shared.txt"] } }),
      check: async (it, { params, lost }) => {
        const restored = async () =>
          (await it.merges(params)).filter(({ kind }) => kind === "restore");
        if ((await restored()).length === 0) {
          await it.api.workspaces.restoreVersion({ params, body: { paths: ["shared.txt"] } });
        }
        expect(await restored()).toHaveLength(1);
        expect(await it.git("show", "main:shared.txt")).toBe(lost);
      },
    }),
  );

  test("a sync", () =>
    atEffects({
      prepare: async (it) => {
        const { agent_id, ...workspace } = await it.createWorkspace();
        await conflicting(it).then((other) =>
          it.api.workspaces.createMerge({ params: { agent_id: other.agent_id } }),
        );
        return { ...workspace, agent_id };
      },
      act: (it, { agent_id }) => it.api.workspaces.sync({ params: { agent_id } }),
      check: async (it, workspace) => {
        const params = { agent_id: workspace.agent_id };
        await it.api.workspaces.sync({ params });
        expect((await it.api.workspaces.sync({ params })).data.status).toBe("up_to_date");
        // The folder follows, and its snapshot finds no changes.
        const text = await readFile(join(folderOf(workspace), "shared.txt"), "utf8");
        expect(text.trimEnd()).toBe(await it.git("show", "main:shared.txt"));
        expect((await save(it, workspace)).created).toBe(false);
      },
    }));

  testOnce("a push to a workspace's branch", () =>
    atEffects({
      prepare: async (it) => {
        const workspace = await it.createWorkspace();
        const { data: key } = await it.api.apiKeys.create({ body: { name: "git" } });
        const branch = ["--branch", workspace.branch_name];
        const clone = await clones.clone(it.cloneUrl, key.key as string, ...branch);
        const sha = await clone.commit({ "pushed.txt": `${workspace.branch_name}\n` });
        return { ...workspace, clone, sha, key: key.key as string };
      },
      act: async (_it, { clone, branch_name }) => {
        // git only reports that the remote hung up.
        const { code } = await clone.push(branch_name);
        if (code !== 0) throw new Error("The remote hung up.");
      },
      check: async (it, workspace) => {
        const { clone, branch_name, sha, key } = workspace;
        await clone.git("remote", "set-url", "origin", withKey(it.cloneUrl, key));
        expect((await clone.push(branch_name)).code).toBe(0);
        const params = { agent_id: workspace.agent_id };
        const { data: commits } = await it.api.workspaces.commits({ params });
        expect(commits.map(({ commit_sha, commit_type }) => [commit_sha, commit_type])).toEqual([
          [sha, "manual"],
        ]);
        const text = await readFile(join(folderOf(workspace), "pushed.txt"), "utf8");
        expect(text).toBe(`${branch_name}\n`);
        expect((await save(it, workspace)).created).toBe(false);
      },
    }),
  );

  test("archiving", () =>
    atEffects({
      prepare: async (it) => {
        const workspace = await it.createWorkspace();
        await writeFile(join(folderOf(workspace), "a.txt"), "unsaved\n");
        return workspace;
      },
      act: (it, { agent_id }) => it.api.workspaces.archive({ params: { agent_id } }),
      check: async (it, { agent_id }) => {
        const params = { agent_id };
        await it.api.workspaces.archive({ params });
        expect((await it.api.workspaces.get({ params })).data.status).toBe("archived");
        const { data } = await it.api.workspaces.restore({ params });
        expect(await readFile(join(folderOf(data), "a.txt"), "utf8")).toBe("unsaved\n");
      },
    }));

  test("restoring an archived workspace", () =>
    atEffects({
      prepare: async (it) => {
        const workspace = await it.createWorkspace();
        await writeFile(join(folderOf(workspace), "a.txt"), "kept\n");
        await it.api.workspaces.archive({ params: { agent_id: workspace.agent_id } });
        return { agent_id: workspace.agent_id };
      },
      act: (it, params) => it.api.workspaces.restore({ params }),
      check: async (it, params) => {
        const { data: current } = await it.api.workspaces.get({ params });
        if (current.status === "archived") await it.api.workspaces.restore({ params });
        const { data } = await it.api.workspaces.get({ params });
        expect(data.status).toBe("active");
        expect(await readFile(join(folderOf(data), "a.txt"), "utf8")).toBe("kept\n");
        expect((await save(it, data)).created).toBe(false);
      },
    }));
}

async function save(it: CrashingServer, { agent_id }: { agent_id: string }) {
  const body = { commit_type: "checkpoint" } as const;
  return (await it.api.workspaces.createCommit({ params: { agent_id }, body })).data;
}

let written = 0;

/** A workspace whose merge into main conflicts in shared.txt and wins. */
async function conflicting(
  it: CrashingServer,
): Promise<Workspace & { text: string; lost: string }> {
  const workspace = await it.createWorkspace();
  const other = await it.createWorkspace();
  const [lost, text] = [`main ${(written += 1)}`, `agent ${(written += 1)}`];
  await writeFile(join(folderOf(other), "shared.txt"), `${lost}\n`);
  await it.api.workspaces.createMerge({ params: { agent_id: other.agent_id } });
  await writeFile(join(folderOf(workspace), "shared.txt"), `${text}\n`);
  await save(it, workspace);
  return { ...workspace, text, lost };
}
