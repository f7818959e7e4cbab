import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { builtFile } from "#test/support/server/built-files.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { queryAsOwner, databaseUrlOf } from "#test/support/database/queries.js";

/** Disables the triggers first, as an attacker with the owner's role must. */
const unguarded = (app: TestApp, statement: string, values: unknown[] = []) =>
  queryAsOwner(app, "alter table audit_events disable trigger user").then(() =>
    queryAsOwner(app, statement, values),
  );

async function verify(app: TestApp, ...args: string[]): Promise<{ code: number; out: string }> {
  const child = spawn(process.execPath, [builtFile("server/admin/verify-audit.js"), ...args], {
    env: {
      PATH: process.env["PATH"],
      OMOI_DATABASE_URL: databaseUrlOf(app),
      OMOI_DATA_DIR: app.dataDir,
    },
  });
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return { code: code as number, out: out + err };
}

describe("npm run audit:verify", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: { id: string; slug: string };
  beforeEach(async () => {
    app = await startTestApp();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
    for (let made = 0; made < 4; made += 1) await makeProject(owner, org.id);
    await makeOrganization(owner);
  });
  afterEach(() => app.close());

  test("reports an untouched log as intact", async () => {
    const { code, out } = await verify(app);
    expect(out).toMatch(
      new RegExp(`^${org.slug}: 5 events, intact; the last is [0-9a-f]{64}$`, "m"),
    );
    expect(code).toBe(0);
  });

  test.each([
    [
      "an edited name",
      `update audit_events set target = jsonb_set(target, '{name}', '"x"')`,
      "its content",
    ],
    ["an edited time", "update audit_events set at = at - interval '1 ms'", "its content"],
    [
      "another actor",
      `update audit_events set actor = jsonb_set(actor, '{name}', '"x"')`,
      "its content",
    ],
    ["a deleted event", "delete from audit_events", "the event is missing"],
    [
      "a new hash",
      "update audit_events set hash = repeat('a', 64)",
      "its content does not match its hash",
    ],
    [
      "another past",
      "update audit_events set previous_hash = repeat('a', 64)",
      "it does not link to the previous event",
    ],
  ])("reports the first sequence broken by %s", async (_what, statement, reason) => {
    await unguarded(app, `${statement} where org_id = $1 and sequence = 3`, [org.id]);
    const { code, out } = await verify(app);
    expect(out).toContain(`${org.slug}: BROKEN at sequence 3: ${reason}`);
    expect(out.match(/intact/g)).toHaveLength(1);
    expect(code).toBe(1);
  });

  test("continues after a fault and reports the others", async () => {
    const edit = `update audit_events set target = jsonb_set(target, '{name}', '"x"')`;
    await unguarded(app, `${edit} where org_id = $1 and sequence in (2, 4)`, [org.id]);
    const { out } = await verify(app);
    expect(out.match(/BROKEN at sequence \d/g)).toEqual([
      "BROKEN at sequence 2",
      "BROKEN at sequence 4",
    ]);
  });

  test("detects truncation and rewriting by earlier heads", async () => {
    const file = join(app.dataDir, "heads.json");
    await writeFile(file, (await verify(app, "--json")).out);
    await makeProject(owner, org.id);
    expect((await verify(app, "--against", file)).code).toBe(0);
    await unguarded(app, "delete from audit_events where org_id = $1 and sequence > 4", [org.id]);
    expect((await verify(app)).code).toBe(0);
    const { code, out } = await verify(app, "--against", file);
    expect(out).toContain(`${org.slug}: BROKEN at sequence 5: the event is missing`);
    expect(code).toBe(1);
    // A rewritten chain is consistent in itself.
    await makeProject(owner, org.id);
    expect((await verify(app)).code).toBe(0);
    const again = await verify(app, "--against", file);
    expect(again.out).toContain(
      "BROKEN at sequence 5: it differs from the event that was recorded before",
    );
  });

  test("explains its arguments", async () => {
    const { code, out } = await verify(app, "--against", "nowhere.json");
    expect([code, out]).toEqual([1, "omoi: --against requires a file written by --json\n"]);
  });
});
