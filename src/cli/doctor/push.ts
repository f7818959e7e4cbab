import { randomBytes } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Check, Finding } from "#shared/node/doctor-check.js";
import { helperOf } from "../commands/folders.js";
import type { Connection } from "../connection/connect.js";
import { findProject, organizationOf } from "../connection/names.js";
import { allRows } from "../connection/pages.js";
import { NotFoundError, UsageError } from "../output/failures.js";
import { note } from "../output/print.js";
import { runGit } from "../run-program.js";
import { NO_ORGANIZATION } from "./streams.js";

/** Size of the push, of random bytes, which do not compress. */
const PUSH_BYTES = 100_000_000;
const CHUNK_BYTES = 1_000_000;
/** Time for the push: 100 MB at 1.3 Mbit/s. */
const PUSH_MS = 600_000;
/** Beginning of the slug of scratch projects. */
const SLUG = "omoi-doctor-";

/** A push of 100 MB through the proxy, into a project that exists for it alone. */
export function push(connection: Connection): Check {
  return {
    name: "push",
    tried: "Push 100 MB with git into a scratch project, and delete it",
    cure: "Set the proxy up as docs/how-to/proxy.md says.",
    // It deletes the project before it ends.
    limitMs: null,
    run: async (signal) => {
      const organization = await findOrganization(connection);
      if (organization === null) return { status: "skipped", seen: NO_ORGANIZATION };
      const left = await listScratchProjects(connection, organization);
      const slug = SLUG + randomBytes(4).toString("hex");
      const finding = await pushInto(connection, organization, slug, signal);
      const failure = await deleteProject(connection, organization, slug);
      if (failure !== null) {
        return {
          status: "failed",
          seen: `the scratch project could not be deleted: ${failure}`,
          cure: `omoi project delete ${organization.slug}/${slug}`,
        };
      }
      const [first] = left;
      if (finding.status !== "ok" || first === undefined) return finding;
      return {
        status: "warning",
        seen: `${finding.seen}; an earlier omoi doctor was killed and left ${left.join(", ")}`,
        cure: `omoi project delete ${organization.slug}/${first}`,
      };
    },
  };
}

/** Returns the organization of the command; null if it names none of several. */
async function findOrganization(connection: Connection): Promise<Organization | null> {
  try {
    const org_id = await organizationOf(connection);
    return (await connection.api.organizations.get({ params: { org_id } })).data;
  } catch (error) {
    if (error instanceof UsageError) return null;
    throw error;
  }
}

async function listScratchProjects(
  { api }: Connection,
  { id: organization_id }: Organization,
): Promise<string[]> {
  const all = await allRows((query) => api.projects.list({ query: { ...query, organization_id } }));
  return all.map(({ slug }) => slug).filter((slug) => slug.startsWith(SLUG));
}

async function pushInto(
  connection: Connection,
  organization: Organization,
  slug: string,
  signal: AbortSignal,
): Promise<Finding> {
  const folder = mkdtempSync(join(tmpdir(), SLUG));
  try {
    const commit = await makeCommit(folder, signal);
    signal.throwIfAborted();
    await connection.api.projects.create({
      body: {
        organization_id: organization.id,
        name: `Scratch project of omoi doctor (${slug})`,
        slug,
        description: "Made by omoi doctor to try a push. It can be deleted.",
      },
    });
    const url = `${connection.url}/git/${organization.slug}/${slug}.git`;
    note(`Pushing 100 MB to ${url}…`);
    const settings = helperOf(connection).flatMap((one) => ["-c", one]);
    const limit = AbortSignal.any([signal, AbortSignal.timeout(PUSH_MS)]);
    const args = ["-C", folder, ...settings, "push", "--quiet", url, `${commit}:refs/heads/doctor`];
    await runGit(args, { signal: limit });
    return { status: "ok", seen: "the server took all of it" };
  } catch (error) {
    const { message } = error as Error;
    if (signal.aborted) return { status: "skipped", seen: "stopped" };
    const seen = message.replaceAll(/\s+/g, " ").trim();
    return { status: "failed", seen, cure: cureOf(message) };
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function cureOf(message: string): string {
  if (/\b413\b/.test(message)) {
    return "Let the proxy pass bodies of any size (nginx: client_max_body_size 0;).";
  }
  if (/\b50[24]\b|timed? ?out|abort/i.test(message)) {
    return "Let the proxy pass bodies on as they come, and wait (nginx: proxy_request_buffering off; proxy_read_timeout 15m; proxy_send_timeout 15m;).";
  }
  return "Do what git says; set the proxy up as docs/how-to/proxy.md says.";
}

/** Makes a repository in the folder, with one commit of one large file. Returns its id. */
async function makeCommit(folder: string, signal: AbortSignal): Promise<string> {
  const file = join(folder, "random");
  const descriptor = openSync(file, "wx");
  for (let written = 0; written < PUSH_BYTES; written += CHUNK_BYTES) {
    writeSync(descriptor, randomBytes(CHUNK_BYTES));
  }
  closeSync(descriptor);
  const git = (args: string[], input?: string): Promise<string> =>
    runGit(["-C", folder, "-c", "core.compression=0", ...args], {
      signal,
      ...(input !== undefined && { input }),
    });
  await git(["init", "--quiet", "--bare", "."]);
  const blob = await git(["hash-object", "-w", file]);
  const tree = await git(["mktree"], `100644 blob ${blob}\trandom\n`);
  const identity = ["-c", "user.name=omoi doctor", "-c", "user.email=doctor@omoi.invalid"];
  return git([...identity, "commit-tree", tree, "-m", "A push of 100 MB"]);
}

/** Attempts to delete the project: a proxy that has just failed may need a moment. */
const ATTEMPTS = 3;

/** Deletes the scratch project, if it was made. Returns why it could not; null if it is gone. */
async function deleteProject(
  connection: Connection,
  { slug: organization }: Organization,
  slug: string,
): Promise<string | null> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { id: project_id } = await findProject(connection, `${organization}/${slug}`);
      await connection.api.projects.delete({ params: { project_id } });
      return null;
    } catch (error) {
      if (error instanceof NotFoundError) return null;
      if (attempt === ATTEMPTS) return (error as Error).message;
      await pause(1000);
    }
  }
}
