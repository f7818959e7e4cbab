/** `npm run package` makes a package of the command line that works without the server's dependencies. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { startTestApp } from "#test/support/server/app.js";
import { root } from "#test/support/server/built-files.js";

/** Entries of the project that packing does not use. */
const left = new Set(["node_modules", ".git", "test-results", "data", "e2e", "bench"]);

test("the packed command lists agents in an empty folder", async () => {
  const folder = mkdtempSync(join(tmpdir(), "omoi-pack-"));
  const app = await startTestApp();
  try {
    // A copy, since packing builds.
    const copy = join(folder, "project");
    for (const name of readdirSync(root)) {
      if (left.has(name)) continue;
      cpSync(join(root, name), join(copy, name), { recursive: true, preserveTimestamps: true });
    }
    mkdirSync(join(copy, "node_modules"));
    for (const name of readdirSync(join(root, "node_modules"))) {
      if (name === ".cache") continue;
      symlinkSync(join(root, "node_modules", name), join(copy, "node_modules", name));
    }
    const npm = (args: string[], cwd: string) => spawnSync("npm", args, { cwd, encoding: "utf8" });
    const whole = readFileSync(join(copy, "package.json"), "utf8");
    const { ino, mtimeMs } = statSync(join(copy, "package.json"));
    const packed = npm(["run", "package", "--", "--pack-destination", folder], copy);
    expect(packed.status, packed.stderr).toBe(0);
    // Neither written nor replaced, not for a moment.
    expect(statSync(join(copy, "package.json"))).toMatchObject({ ino, mtimeMs });
    const file = readdirSync(folder).find((name) => name.endsWith(".tgz")) as string;
    const installed = join(folder, "empty");
    const made = npm(
      ["install", "--prefix", installed, "--no-audit", "--no-fund", join(folder, file)],
      folder,
    );
    expect(made.status, made.stderr).toBe(0);
    expect(
      readdirSync(join(installed, "node_modules")).filter((name) => !name.startsWith(".")),
    ).toEqual(["omoi-cli"]);
    const person = await app.person();
    const env = {
      PATH: process.env["PATH"],
      HOME: folder,
      OMOI_URL: app.url,
      OMOI_TOKEN: person.token,
    };
    // The server is part of this process, and must not be blocked.
    const omoi = async (...args: string[]) => {
      const child = spawn(join(installed, "node_modules/.bin/omoi"), args, { env });
      const [out, err, [status]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, "close"),
      ]);
      return { out, err, status: status as number };
    };
    const { version } = JSON.parse(whole) as { version: string };
    expect((await omoi("--version")).out.trim()).toBe(version);
    expect((await omoi("org", "create", "Acme", "--quiet")).out).toMatch(/^[0-9a-f-]{36}\n$/);
    expect((await omoi("agent", "list", "--json")).out).toBe("[]\n");
    for (const command of [["admin", "users"], ["serve"]]) {
      const { status, err } = await omoi(...command);
      expect([status, err]).toEqual([2, expect.stringContaining("install the package omoi")]);
    }
  } finally {
    await app.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
