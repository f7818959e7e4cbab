/**
 * `npm run release -- 0.3.0` makes a release: version, date of the changelog, commit, tag, and below release/ the packages,
 * the image, the chart, the notes and their checksums. On the commit of the tag it makes these files alone, as the
 * workflow does. `--dry-run` shows the steps, `--no-image` leaves out the image. It pushes and publishes nothing.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packCommandLine } from "./pack.mjs";
import {
  ensureBuilt,
  ensureInstalled,
  fail,
  keepInstalled,
  requireNode,
  root,
  run,
} from "./prepare.mjs";
import { notesOf } from "./release-notes.mjs";

requireNode();
const args = process.argv.slice(2);
const isDryRun = args.includes("--dry-run");
const [version = "", ...further] = args.filter((arg) => !arg.startsWith("--"));
const unknown = args.filter((arg) => /^--(?!dry-run$|no-image$)/.test(arg));
if (further.length + unknown.length > 0 || !/^\d+\.\d+\.\d+(?:-[0-9a-z.-]+)?$/.test(version))
  fail("name a version: npm run release -- 0.3.0 [--dry-run] [--no-image]");
const tag = `v${version}`;
const folder = join(root, "release");

const read = (path) => readFileSync(join(root, path), "utf8");
const say = (line) => process.stdout.write(`${line}\n`);
const git = (...words) => {
  const { status, stdout, stderr } = spawnSync("git", words, { cwd: root, encoding: "utf8" });
  if (status !== 0) fail(`git ${words[0]} failed: ${stderr.trim()}`);
  return stdout.trim();
};
const has = (program, ...words) => spawnSync(program, words, { stdio: "ignore" }).status === 0;

if (git("status", "--porcelain") !== "")
  fail("the working tree has changes; commit or stash them, then run this again");
const isTagged = git("tag", "--points-at", "HEAD").split("\n").includes(tag);
if (!isTagged && git("tag", "--list", tag) !== "")
  fail(`the tag ${tag} exists on another commit; check it out to make its files again`);
const edits = isTagged ? [] : editsOf();

const steps = [
  ...edits.map(({ path }) => `Write the version ${version} into ${path}`),
  ...(isTagged ? [] : [`Commit "${subject()}"`, `Tag it as ${tag}`]),
  ...artifacts().map(({ title }) => title),
];
if (isDryRun) {
  for (const step of steps) say(step);
  process.exit(0);
}

ensureInstalled();
if (!isTagged) {
  for (const { path, text } of edits) writeFileSync(join(root, path), text);
  keepInstalled();
  git("commit", "--quiet", "--message", subject(), "--", ...edits.map(({ path }) => path));
}
// /version of the build names this commit.
process.once("exit", (code) => {
  if (code !== 0 && !isTagged)
    process.stderr.write("omoi: no tag was made; git reset --hard HEAD~1 removes the commit\n");
});
ensureBuilt();
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);
for (const { title, make } of artifacts()) {
  say(title);
  make();
}
if (!isTagged) git("tag", "--annotate", tag, "--message", `Omoi ${version}`);
say(
  `Omoi ${version} is in release/.${isTagged ? "" : ` git push --follow-tags publishes ${tag}.`}`,
);

function subject() {
  return `release: version ${version}`;
}

/** Returns the files with the new version. Fails unless the changelog has the section of this version. */
function editsOf() {
  const changelog = read("CHANGELOG.md");
  const [heading, unreleased] = /^## (\S+) — unreleased$/m.exec(changelog) ?? [];
  const newest = /^## (\S+) — /m.exec(changelog)?.[1];
  if (unreleased !== version || newest !== version)
    fail(`the newest section of CHANGELOG.md must be "## ${version} — unreleased"`);
  const today = new Date().toISOString().slice(0, 10);
  const dated = changelog.replace(heading, `## ${version} — ${today}`);
  if (notesOf(dated, version) === "") fail(`the section ${version} of CHANGELOG.md is empty`);
  const old = JSON.parse(read("package.json")).version;
  const withVersion = (path, ...patterns) => {
    let text = read(path);
    for (const [before, after] of patterns) {
      if (!text.includes(before)) fail(`${path} does not have ${before}`);
      text = text.replace(before, () => after);
    }
    return { path, text };
  };
  const field = [`"version": "${old}"`, `"version": "${version}"`];
  return [
    withVersion("package.json", field),
    // Of the project and of its root package.
    withVersion("package-lock.json", field, field),
    withVersion(
      "deploy/helm/omoi/Chart.yaml",
      [`\nversion: ${old}\n`, `\nversion: ${version}\n`],
      [`appVersion: "${old}"`, `appVersion: "${version}"`],
    ),
    { path: "CHANGELOG.md", text: dated },
  ];
}

/** The files of a release, in the order in which they are made. */
function artifacts() {
  const image = `omoi-${version}-image.tar`;
  const withImage = !args.includes("--no-image") && has("docker", "buildx", "version");
  const withChart = has("helm", "version");
  return [
    // Built already.
    {
      title: `Make omoi-${version}.tgz, the package`,
      make: () =>
        run("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder]),
    },
    {
      title: `Make omoi-cli-${version}.tgz, the command line alone`,
      make: () => packCommandLine(folder, ["--silent"]),
    },
    withImage
      ? {
          title: `Make ${image}, with SBOM and provenance`,
          make: () => makeImage(join(folder, image)),
        }
      : { title: "Leave out the image, which needs docker buildx", make: () => undefined },
    withChart
      ? { title: `Make omoi-chart-${version}.tgz, the chart of Helm`, make: makeChart }
      : { title: "Leave out the chart, which needs helm", make: () => undefined },
    {
      title: "Write the notes of the release and SHA256SUMS",
      make: () => {
        writeFileSync(join(folder, "notes.md"), `${notesOf(read("CHANGELOG.md"), version)}\n`);
        const sums = readdirSync(folder)
          .toSorted()
          .map((name) => `${sha256(join(folder, name))}  ${name}\n`);
        writeFileSync(join(folder, "SHA256SUMS"), sums.join(""));
      },
    },
  ];
}

function sha256(file) {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/** Builds the image into an OCI archive; only a builder of its own can attach attestations to one. */
function makeImage(file) {
  const builder = "omoi-release";
  if (!has("docker", "buildx", "inspect", builder))
    run("docker", ["buildx", "create", "--name", builder, "--driver", "docker-container"]);
  const options = [
    ["--builder", builder],
    ["--file", "deploy/Dockerfile"],
    ["--build-arg", `SOURCE_COMMIT=${git("rev-parse", "HEAD")}`],
    ["--sbom=true", "--provenance=mode=max"],
    ["--tag", `omoi:${version}`],
    ["--output", `type=oci,dest=${file}`],
  ];
  run("docker", ["buildx", "build", ...options.flat(), "."]);
}

function makeChart() {
  const chart = join(root, "deploy/helm/omoi");
  const building = join(folder, "chart");
  run("helm", ["package", chart, "--destination", building]);
  // Named apart from the package of npm.
  const [name = ""] = readdirSync(building);
  writeFileSync(join(folder, `omoi-chart-${version}.tgz`), readFileSync(join(building, name)));
  rmSync(building, { recursive: true });
}
