import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { removeDataFolder } from "#test/support/server/data-folder.js";
import { send } from "#test/support/http/raw-request.js";
import { startTestApp } from "#test/support/server/app.js";
import { createDiskCheck, RECOVERED_BYTES, RESERVE_BYTES } from "./disk-check.js";

test("the disk is full below the reserve, and then until twice as much is free", async () => {
  let free = RECOVERED_BYTES;
  const check = createDiskCheck(() => Promise.resolve(free));
  const states: [free: number, isFull: boolean][] = [
    [RECOVERED_BYTES - 1, false],
    [RESERVE_BYTES, false],
    [RESERVE_BYTES - 1, true],
    [RESERVE_BYTES, true],
    [RECOVERED_BYTES - 1, true],
    [RECOVERED_BYTES, false],
    [RECOVERED_BYTES - 1, false],
  ];
  for (const [bytes, isFull] of states) {
    free = bytes;
    expect([bytes, (await check()) !== null]).toEqual([bytes, isFull]);
  }
});

const folder = mkdtempSync(join(tmpdir(), "omoi-small-"));
afterAll(() => rmSync(folder, { recursive: true }));
const isMounted = (() => {
  try {
    const options = ["-t", "tmpfs", "-o", "size=96m,mode=755", "omoi-test", folder];
    execFileSync("mount", options, { stdio: "pipe" });
    return true;
  } catch {
    return false;
  }
})();

test.skipIf(!isMounted)(
  `a server without space is not ready, and says why${isMounted ? "" : " (skipped: mounting is not permitted)"}`,
  async () => {
    const app = await startTestApp({ OMOI_DATA_DIR: folder });
    try {
      const { status, text } = await send(app, "GET", "/readyz");
      expect([status, JSON.parse(text)]).toMatchObject([
        503,
        {
          status: "not ready",
          database: true,
          git: true,
          disk: false,
          changes: true,
          reason: expect.stringMatching(
            /^the data folder's disk has \d\d MiB free; free 256 MiB$/,
          ) as string,
        },
      ]);
      const headers = { "x-forwarded-for": "203.0.113.9" };
      const remote = await send(app, "GET", "/readyz", { headers });
      expect([remote.status, remote.text]).toEqual([503, '{"status":"not ready"}']);
      expect((await send(app, "GET", "/healthz")).status).toBe(200);
    } finally {
      await app.close();
      await removeDataFolder(folder).catch(() => {});
      execFileSync("umount", [folder]);
    }
  },
);
