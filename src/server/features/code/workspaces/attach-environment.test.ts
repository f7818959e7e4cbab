import { pino } from "pino";
import { expect, test } from "vitest";
import { DataProcesses } from "#git/merge/merge.js";
import { startTestApp } from "#test/support/server/app.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { noLeaks } from "#test/support/git/no-leaks.js";
import { storageIn } from "../../../data-folder/storage.js";
import { environmentOfNew } from "./attach-environment.js";
import { openDriver } from "./open-driver.js";
import * as queries from "./workspaces.queries.js";
import type { WorkspaceRow } from "./workspaces.queries.js";

test("a fault leaves the environment of a new folder undecided, and is logged with the project", async () => {
  const app = await startTestApp();
  try {
    const owner = await app.person("owner");
    const org = await makeOrganization(owner);
    const project = await makeProject(owner, org.id);
    const { agent } = await makeWorkspace(owner, project.id);
    const lines: string[] = [];
    const log = pino({ level: "error" }, { write: (line: string) => lines.push(line) });
    const storage = storageIn(app.dataDir);
    const deps = {
      db: { ...app.db, read: () => Promise.reject(new Error("the database is away")) },
      storage,
      jobs: { send: async () => {} },
      driver: await openDriver(app.config, storage, log),
      runUids: null,
      dataProcesses: new DataProcesses(),
      leaks: noLeaks,
      log,
    };
    const row = await app.db.tenant(org.id, (tx) => queries.findWorkspace(tx, agent.id));
    expect(await environmentOfNew(deps, row as WorkspaceRow)).toEqual({
      environment_state: null,
      environment_build_id: null,
    });
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      expect.objectContaining({
        project: project.id,
        agent: agent.id,
        err: expect.objectContaining({ message: "the database is away" }),
        msg: "cannot add the environment to a new folder",
      }),
    ]);
  } finally {
    await app.close();
  }
});
