/** Attacks by merges of the data of large files. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestPerson } from "../support/server/app.js";
import { makeOrganization, mergeIntoBase } from "../support/fixtures/factories.js";
import {
  dataProcessesOf,
  makeHostileMerges,
  makeSmallMerge,
  previewFile,
  type DivergedMerge,
} from "../support/fixtures/hostile-merges.js";
import { isAlive } from "../support/server/server-process.js";
import { makeBystander, startServerUnderAttack } from "../support/server/server-under-attack.js";
import type { Bystander, ServerUnderAttack } from "../support/server/server-under-attack.js";

/** Hostile previews at once. One runs, and the others wait. */
const PREVIEWS = 6;

describe("an organization that merges hostile files", () => {
  let server: ServerUnderAttack;
  let innocent: Bystander;
  let attacker: TestPerson;
  let hostile: DivergedMerge[];
  beforeAll(async () => {
    server = await startServerUnderAttack();
    innocent = await makeBystander(server);
    attacker = await server.person("attacker");
    hostile = await makeHostileMerges(attacker, (await makeOrganization(attacker)).id, 2);
  });
  afterAll(() => server.close());

  /** Starts previews of all hostile merges, and counts those that have ended. */
  function attack() {
    const state = { ended: 0 };
    const previews = Array.from({ length: PREVIEWS }, async (_, at) => {
      const result = await previewFile(attacker, hostile[at % hostile.length] as DivergedMerge);
      state.ended += 1;
      return result;
    });
    return { state, previews };
  }

  const dataProcesses = (): number[] => dataProcessesOf(server.pid);

  test("delays no preview and no merge of another one until its own have ended", async () => {
    const { person, orgId } = innocent;
    const params = await makeSmallMerge(person, orgId);
    const { state, previews } = attack();
    await expect.poll(dataProcesses).not.toEqual([]);
    expect(await previewFile(person, params)).toBe("merged");
    const { data: workspace } = await person.api.workspaces.get({ params });
    expect((await mergeIntoBase(person, workspace)).driver_files).toMatchObject([
      { path: "x.yaml", result: "merged" },
    ]);
    expect(state.ended).toBeLessThan(PREVIEWS);
    // On a busy machine their total time is not enough.
    for (const result of await Promise.all(previews)) expect(["merged", "lines"]).toContain(result);
  });

  test("does not slow down the requests of others", async () => {
    await innocent.during(() => Promise.all(attack().previews), {
      kinds: ["read", "list", "change", "commit"],
    });
  });

  test("does not keep the server from stopping", async () => {
    const { previews } = attack();
    const outcomes = Promise.allSettled(previews);
    await expect.poll(dataProcesses).not.toEqual([]);
    const processes = dataProcesses();
    const { code, stderr } = await server.stop();
    expect(stderr).not.toContain("shutdown failed");
    expect(code).toBe(0);
    expect(processes.filter(isAlive)).toEqual([]);
    const refused = (await outcomes).filter(({ status }) => status === "rejected");
    expect(refused).not.toEqual([]);
  });
});
