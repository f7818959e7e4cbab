/**
 * Prints the section of CHANGELOG.md for a tag such as v0.3.0: the notes of its release. Fails unless package.json has
 * that version and the section has a date.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { fail, root } from "./prepare.mjs";

/** Returns the text of a version's section. Fails unless it has a date. */
export function notesOf(changelog, version) {
  const sections = changelog.split(/^(?=## )/m);
  const section = sections.find((text) => text.startsWith(`## ${version} `));
  if (section === undefined) fail(`CHANGELOG.md has no section "## ${version} — DATE"`);
  const [heading = "", ...lines] = section.split("\n");
  if (!/ \d{4}-\d\d-\d\d$/.test(heading))
    fail(`the heading "${heading}" of CHANGELOG.md has no date`);
  return lines.join("\n").trim();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [tag = ""] = process.argv.slice(2);
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  if (tag !== `v${version}`)
    fail(`the tag is ${tag || "missing"}, but package.json has ${version}`);
  process.stdout.write(`${notesOf(readFileSync(join(root, "CHANGELOG.md"), "utf8"), version)}\n`);
}
