// Writes operations.json: the parameters and bodies of GitHub's API that the server uses, from GitHub's own description.
// The package with the description has 86 MB, so that it is no dependency:
//   npm pack @octokit/openapi@23.0.2 && tar xzf octokit-openapi-23.0.2.tgz package/generated/api.github.com.json
//   node test/support/forges/github/extract-operations.mjs package/generated/api.github.com.json
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const used = [
  "GET /user",
  "GET /user/repos",
  "GET /installation/repositories",
  "GET /app/installations/{installation_id}",
  "POST /app/installations/{installation_id}/access_tokens",
  "GET /repos/{owner}/{repo}",
  "GET /repos/{owner}/{repo}/pulls",
  "POST /repos/{owner}/{repo}/pulls",
  "GET /repos/{owner}/{repo}/pulls/{pull_number}",
  "PATCH /repos/{owner}/{repo}/pulls/{pull_number}",
  "PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge",
  "GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews",
  "POST /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers",
  "POST /repos/{owner}/{repo}/issues/{issue_number}/labels",
  "GET /repos/{owner}/{repo}/commits/{ref}/check-runs",
  "GET /repos/{owner}/{repo}/commits/{ref}/status",
  "GET /repos/{owner}/{repo}/issues",
  "GET /repos/{owner}/{repo}/issues/{issue_number}",
  "GET /repos/{owner}/{repo}/issues/{issue_number}/comments",
  "POST /repos/{owner}/{repo}/issues/{issue_number}/comments",
  "GET /repos/{owner}/{repo}/issues/{issue_number}/events",
  "PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}",
  "GET /repos/{owner}/{repo}/collaborators/{username}/permission",
  "GET /repos/{owner}/{repo}/pulls/{pull_number}/comments",
  "POST /repos/{owner}/{repo}/pulls/{pull_number}/comments",
  "POST /repos/{owner}/{repo}/pulls/{pull_number}/comments/{comment_id}/replies",
  "GET /repos/{owner}/{repo}/actions/jobs/{job_id}/logs",
  "GET /repos/{owner}/{repo}/check-runs/{check_run_id}/annotations",
  "POST /repos/{owner}/{repo}/statuses/{sha}",
  "GET /repos/{owner}/{repo}/hooks",
  "POST /repos/{owner}/{repo}/hooks",
  "PATCH /repos/{owner}/{repo}/hooks/{hook_id}",
  "DELETE /repos/{owner}/{repo}/hooks/{hook_id}",
];

const description = JSON.parse(readFileSync(process.argv[2], "utf8"));

/** Replaces references by what they name, and drops texts for readers. */
function resolve(value, depth = 0) {
  if (depth > 30) throw new Error("the description refers to itself");
  if (Array.isArray(value)) return value.map((one) => resolve(one, depth + 1));
  if (typeof value !== "object" || value === null) return value;
  if (typeof value.$ref === "string") {
    const [, ...path] = value.$ref.split("/");
    return resolve(
      path.reduce((at, name) => at[name], description),
      depth + 1,
    );
  }
  const dropped = new Set(["description", "example", "examples", "x-github"]);
  return Object.fromEntries(
    Object.entries(value)
      .filter(
        ([name, member]) =>
          !dropped.has(name) || (typeof member === "object" && name === "description"),
      )
      .map(([name, member]) => [name, resolve(member, depth + 1)]),
  );
}

const operations = Object.fromEntries(
  used.map((name) => {
    const [method, path] = name.split(" ");
    const operation = description.paths[path][method.toLowerCase()];
    const own = [...(description.paths[path].parameters ?? []), ...(operation.parameters ?? [])];
    const parameters = resolve(own).map(({ name: parameter, in: place, required, schema }) => ({
      name: parameter,
      in: place,
      required: required === true,
      schema,
    }));
    const body = operation.requestBody && resolve(operation.requestBody);
    const schema = body?.content["application/json"].schema ?? null;
    return [name, { parameters, body: schema, isBodyRequired: body?.required === true }];
  }),
);
writeFileSync(
  join(import.meta.dirname, "operations.json"),
  `${JSON.stringify({ version: description.info.version, operations }, null, 2)}\n`,
);
