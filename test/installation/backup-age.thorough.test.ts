/** The age of the last backup in `/metrics`, with the real `omoi admin backup`. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { databaseUrlOf, queryAsOwner } from "../support/database/queries.js";

import { samplesOf, scrapeAnew } from "../support/http/scrape.js";
import { startTestApp } from "../support/server/app.js";
import { omoi } from "../support/server/cli.js";
import { removeDataFolder } from "../support/server/data-folder.js";

test("a backup names its server in the audit log, and its age is a metric", async () => {
  const app = await startTestApp();
  const folder = await mkdtemp(join(tmpdir(), "omoi-backup-age-"));
  try {
    const root = await app.person("root");
    await queryAsOwner(app, "update nodes set created_at = now() - interval '30 days'");
    const age = async (): Promise<number | undefined> =>
      samplesOf(await scrapeAnew(app), "omoi_backup_age_seconds").get("");
    const day = 86_400;
    expect(await age()).toBeGreaterThanOrEqual(30 * day);
    const env = {
      OMOI_DATABASE_URL: databaseUrlOf(app),
      OMOI_DATA_DIR: app.dataDir,
      OMOI_SECRET: app.config.secret,
    };
    const made = await omoi(env, "admin", "backup", join(folder, "backup"));
    expect([made.code, made.err]).toEqual([0, ""]);
    const [event] = (await root.api.admin.auditEvents()).data;
    const [node] = await queryAsOwner(app, "select id, name from nodes");
    expect(event).toMatchObject({ action: "backup.created", target: { type: "node", ...node } });
    expect(await age()).toBeLessThan(day);
  } finally {
    await app.close();
    await removeDataFolder(folder);
  }
});
