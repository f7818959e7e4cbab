/** `npm run release` makes a release in a clone. */
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root } from "#test/support/server/built-files.js";

let folder: string;
let version: string;

const read = (path: string): string => readFileSync(join(folder, path), "utf8");

function git(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("git", args, { cwd: folder, encoding: "utf8" });
  expect(status, stderr).toBe(0);
  return stdout.trim();
}

function release(...args: string[]): { code: number | null; out: string; err: string } {
  const command = ["scripts/release.mjs", ...args];
  const ended = spawnSync(process.execPath, command, { cwd: folder, encoding: "utf8" });
  return { code: ended.status, out: ended.stdout, err: ended.stderr };
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "omoi-release-"));
  for (const name of readdirSync(root)) {
    if (["node_modules", ".git", "test-results", "data", "release", "site"].includes(name))
      continue;
    cpSync(join(root, name), join(folder, name), { recursive: true, preserveTimestamps: true });
  }
  mkdirSync(join(folder, "node_modules"));
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name === ".cache") continue;
    const [from, to] = [join(root, "node_modules", name), join(folder, "node_modules", name)];
    // The release writes it.
    if (name === ".omoi-installed") cpSync(from, to);
    else symlinkSync(from, to);
  }
  git("init", "--quiet", "--initial-branch", "main");
  git("config", "user.name", "Ann");
  git("config", "user.email", "ann@example.com");
  // A version of the test's own, whatever state the project is in.
  version = "9.1.0";
  const changelog = read("CHANGELOG.md");
  const section = `## ${version} — unreleased\n\n### Added\n\n- A new feature.\n\n`;
  writeFileSync(join(folder, "CHANGELOG.md"), changelog.replace("## ", `${section}## `));
  git("add", "--all");
  git("commit", "--quiet", "--message", "project: begin the clone");
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("refuses a wrong version, a version without a section, and a tree with changes", () => {
  expect(release("next")).toMatchObject({
    code: 1,
    err: expect.stringContaining("name a version"),
  });
  expect(release(version, "--push")).toMatchObject({ code: 1 });
  expect(release("9.2.0")).toMatchObject({
    code: 1,
    err: expect.stringContaining('must be "## 9.2.0 — unreleased"'),
  });
  appendFileSync(join(folder, "README.md"), "\n");
  expect(release(version)).toMatchObject({
    code: 1,
    err: expect.stringContaining("commit or stash"),
  });
  git("checkout", "--quiet", "README.md");
});

test("--dry-run shows the steps and changes nothing", () => {
  const head = git("rev-parse", "HEAD");
  const { code, out, err } = release(version, "--dry-run", "--no-image");
  expect(code, err).toBe(0);
  expect(out.split("\n")).toEqual(
    expect.arrayContaining([
      `Write the version ${version} into package.json`,
      `Commit "release: version ${version}"`,
      `Tag it as v${version}`,
      `Make omoi-${version}.tgz, the package`,
    ]),
  );
  expect([git("rev-parse", "HEAD"), git("status", "--porcelain"), git("tag")]).toEqual([
    head,
    "",
    "",
  ]);
  expect(readdirSync(folder)).not.toContain("release");
});

test("makes commit, tag, packages and checksums, and on the tag the files alone", () => {
  const made = release(version, "--no-image");
  expect(made.code, made.err).toBe(0);
  expect(git("log", "-1", "--format=%s")).toBe(`release: version ${version}`);
  expect(git("cat-file", "-t", `v${version}`)).toBe("tag");
  expect(git("status", "--porcelain")).toBe("");
  expect(JSON.parse(read("package.json"))).toMatchObject({ version });
  expect(JSON.parse(read("package-lock.json"))).toMatchObject({
    version,
    packages: { "": { version } },
  });
  expect(read("deploy/helm/omoi/Chart.yaml")).toContain(`appVersion: "${version}"`);
  expect(read("CHANGELOG.md")).toMatch(new RegExp(`^## ${version} — \\d{4}-\\d\\d-\\d\\d$`, "m"));
  expect(read("release/notes.md")).toBe("### Added\n\n- A new feature.\n");
  const files = readdirSync(join(folder, "release"));
  expect(files).toEqual(
    expect.arrayContaining([`omoi-${version}.tgz`, `omoi-cli-${version}.tgz`, "SHA256SUMS"]),
  );
  const check = (): number | null =>
    spawnSync("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: join(folder, "release") })
      .status;
  expect(check()).toBe(0);
  // The build inside names the commit of the release.
  const build = spawnSync(
    "tar",
    ["-xzOf", join(folder, `release/omoi-${version}.tgz`), "package/dist/build.json"],
    { encoding: "utf8" },
  ).stdout;
  expect(JSON.parse(build)).toEqual({ version, commit: git("rev-parse", "HEAD") });

  const head = git("rev-parse", "HEAD");
  const again = release(version, "--no-image");
  expect([again.code, again.err]).toEqual([0, ""]);
  expect(git("rev-parse", "HEAD")).toBe(head);
  expect(check()).toBe(0);
  appendFileSync(join(folder, "README.md"), "\n");
  git("commit", "--quiet", "--all", "--message", "docs: change the readme");
  expect(release(version)).toMatchObject({
    code: 1,
    err: expect.stringContaining("exists on another commit"),
  });
}, 600_000);
