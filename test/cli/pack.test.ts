/** `npm pack` makes a package that works without the server's dependencies. */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startTestApp } from "#test/support/server/app.js";
import { root } from "#test/support/server/built-files.js";

/** What the package does not come from. */
const left = new Set(["node_modules", ".git", "test-results", "data", "e2e", "bench"]);

test("the packed command lists agents in an empty folder", async () => {
  const folder = mkdtempSync(join(tmpdir(), "omoi-pack-"));
  const app = await startTestApp();
  try {
    // A copy, since packing changes package.json for a moment.
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
    const packed = npm(["pack", "--pack-destination", folder], copy);
    expect(packed.status, packed.stderr).toBe(0);
    expect(readFileSync(join(copy, "package.json"), "utf8")).toBe(whole);
    const file = readdirSync(folder).find((name) => name.endsWith(".tgz")) as string;
    const installed = join(folder, "empty");
    const made = npm(
      ["install", "--prefix", installed, "--no-audit", "--no-fund", join(folder, file)],
      folder,
    );
    expect(made.status, made.stderr).toBe(0);
    expect(
      readdirSync(join(installed, "node_modules")).filter((name) => !name.startsWith(".")),
    ).toEqual(["omoi"]);
    const person = await app.person();
    const env = {
      PATH: process.env["PATH"],
      HOME: folder,
      OMOI_URL: app.url,
      OMOI_TOKEN: person.token,
    };
    const omoi = (...args: string[]) =>
      spawnSync(join(installed, "node_modules/.bin/omoi"), args, { env, encoding: "utf8" });
    expect(omoi("--version").stdout.trim()).toBe(
      (JSON.parse(whole) as { version: string }).version,
    );
    expect(omoi("org", "create", "Acme", "--quiet").stdout).toMatch(/^[0-9a-f-]{36}\n$/);
    expect(omoi("agent", "list", "--json").stdout).toBe("[]\n");
    const admin = omoi("admin", "users");
    expect([admin.status, admin.stderr]).toEqual([
      2,
      expect.stringContaining("part of the server"),
    ]);
  } finally {
    await app.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
