import { execFile } from "node:child_process";
import type { Agent } from "#shared/api/work/agents.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import type { TestApp, TestPerson } from "#test/support/server/app.js";
import { type Clone, openCloneFactory, createGitKey } from "#test/support/git/clone.js";
import { commitFiles, mergeIntoBase } from "#test/support/fixtures/factories.js";
import { insertPastRuns } from "#test/support/database/past-runs.js";

export interface Worker {
  agent: Agent;
  workspace: Workspace;
}

/** The data of a busy installation. */
export interface FullData {
  /** 200 organizations; all other data is in the first. */
  organizations: readonly Organization[];
  /** More than 2 000 commits in twelve workspaces. */
  project: Project;
  workers: readonly Worker[];
  /** Has 500 runs of the last day, and a last commit of 2 000 files. */
  busy: Worker;
  /** Merging it has 500 conflicts. */
  torn: Worker;
}

const perWorker = 174;
const areas = ["api", "auth", "billing", "crawler", "docs", "export"] as const;
const verbs = ["Add", "Fix", "Test", "Rename", "Simplify", "Measure", "Document"] as const;

/** Fills an application by its API and by pushes; only past runs are written to the database. */
export async function fill(app: TestApp, owner: TestPerson): Promise<FullData> {
  const organizations = await makeOrganizations(owner, 200);
  const [{ id: orgId }] = organizations as [Organization];
  const body = { organization_id: orgId, name: "Storefront" };
  const { data: project } = await owner.api.projects.create({ body });
  const clones = await openCloneFactory();
  try {
    const clone = await clones.clone(project.clone_url, await createGitKey(owner));
    await push(clone, [commitOf("main", "Lay the ground", sharedFiles("begin"), 0)]);
    const workers: Worker[] = [];
    for (let number = 1; number <= 12; number += 1) {
      workers.push(await makeWorker(owner, project.id, `worker-${number}`, number !== 3));
    }
    const [busy, torn, local] = workers as [Worker, Worker, Worker];
    await clone.git("fetch", "--quiet", "origin");
    const half = perWorker / 2;
    await push(clone, linesOf(workers, 0, half, busy));
    for (const { workspace } of [busy, ...workers.slice(3, 6)]) {
      await mergeIntoBase(owner, workspace);
    }
    await push(clone, linesOf(workers, half, perWorker, torn));
    for (const { workspace } of workers.slice(6, 9)) await mergeIntoBase(owner, workspace);
    await push(clone, [
      commitOf(busy.workspace.branch_name, "Generate the clients", generatedFiles(), perWorker),
    ]);
    for (const type of ["checkpoint", "validation", "checkpoint", "final"] as const) {
      await commitFiles(owner, local.workspace, { "notes.md": `As of ${type}\n` }, type);
    }
    await insertPastRuns(app, orgId, runsOf(workers));
    for (let edit = 1; edit <= 120; edit += 1) {
      const params = { org_id: orgId };
      await owner.api.organizations.update({ params, body: { description: `Draft ${edit}` } });
    }
    return { organizations, project, workers, busy, torn };
  } finally {
    await clones.dispose();
  }
}

async function makeOrganizations(owner: TestPerson, count: number): Promise<Organization[]> {
  const made: Organization[] = [];
  while (made.length < count) {
    const four = [1, 2, 3, 4].map((more) => `Division ${made.length + more}`);
    const answers = four.map((name) => owner.api.organizations.create({ body: { name } }));
    made.push(...(await Promise.all(answers)).map(({ data }) => data));
  }
  return made;
}

async function makeWorker(
  owner: TestPerson,
  projectId: string,
  name: string,
  isRemote: boolean,
): Promise<Worker> {
  const { data: agent } = await owner.api.agents.create({ body: { project_id: projectId, name } });
  const { data: workspace } = await owner.api.workspaces.create({
    params: { agent_id: agent.id },
    body: { workspace_type: isRemote ? "remote" : "local" },
  });
  return { agent, workspace };
}

/** A commit for `git fast-import`. */
interface Imported {
  branch: string;
  /** Author, time and message. */
  head: string;
  changes: string;
}

function commitOf(
  branch: string,
  subject: string,
  files: Record<string, string>,
  minute: number,
  author = "Ann",
): Imported {
  const blob = (content: string): string => `data ${Buffer.byteLength(content)}\n${content}\n`;
  const who = `${author} <${author.toLowerCase()}@example.com>`;
  const changes = Object.entries(files).map(
    ([path, content]) => `M 100644 inline ${path}\n${blob(content)}`,
  );
  const head = `committer ${who} ${1_750_000_000 + minute * 60} +0000\n${blob(subject)}`;
  return { branch, head, changes: changes.join("") };
}

/** Returns commits of all workspaces in the range, interleaved; `wide` also changes the shared files. */
function linesOf(workers: readonly Worker[], from: number, to: number, wide: Worker): Imported[] {
  const commits: Imported[] = [];
  for (let step = from; step < to; step += 1) {
    for (const [at, worker] of workers.entries()) {
      const area = areas[(at + step) % areas.length] ?? areas[0];
      const files = {
        [`src/${area}/${worker.agent.name}-${step % 20}.ts`]: `export const n = ${step};\n`,
      };
      const isWide = worker === wide && step === from;
      commits.push(
        commitOf(
          worker.workspace.branch_name,
          `${verbs[(at * 3 + step) % verbs.length]} ${area} step ${step + 1} of ${worker.agent.name}`,
          isWide ? { ...files, ...sharedFiles(worker.agent.name) } : files,
          step * 12 + at,
          worker.agent.name,
        ),
      );
    }
  }
  return commits;
}

/** 500 files that all workspaces start with. */
function sharedFiles(word: string): Record<string, string> {
  const lines = (at: number): string =>
    `export const origin = "${word}";\nexport const at = ${at};\n`;
  return Object.fromEntries(
    Array.from({ length: 500 }, (_, at) => [`shared/part-${at % 20}/file-${at}.ts`, lines(at)]),
  );
}

function generatedFiles(): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: 2000 }, (_, at) => [
      `packages/${areas[at % areas.length]}/part-${at % 40}/client-${at}.ts`,
      `export const id = ${at};\n`,
    ]),
  );
}

/** Creates commits on top of the server's branches, and pushes them. */
async function push(clone: Clone, commits: readonly Imported[]): Promise<void> {
  const begun = new Set<string>();
  const stream = commits.map(({ branch, head, changes }) => {
    const from = begun.has(branch) ? "" : `from refs/remotes/origin/${branch}^0\n`;
    begun.add(branch);
    return `commit refs/heads/${branch}\n${head}${from}${changes}\n`;
  });
  await new Promise<void>((resolve, reject) => {
    const args = ["-C", clone.folder, "fast-import", "--quiet", "--force"];
    const git = execFile("git", args, (error) => (error ? reject(error) : resolve()));
    git.stdin?.end(stream.join(""));
  });
  const { code, stderr } = await clone.push(...begun);
  if (code !== 0) throw new Error(stderr);
}

/** 500 runs of the first worker and a few of the others, over the last day. */
function runsOf(workers: readonly Worker[]) {
  const day = 86_400_000;
  return workers.flatMap(({ agent }, at) => {
    const count = at === 0 ? 500 : 8;
    return Array.from({ length: count }, (_, run) => {
      // Well within the day: the tests that read the runs come minutes later.
      const from = Date.now() - 0.95 * day + ((run + 0.2) / count) * day * 0.94;
      return {
        agentId: agent.id,
        from: new Date(from).toISOString(),
        to: new Date(from + (day / count) * 0.6).toISOString(),
        status: run % 5 === 4 ? ("lost" as const) : ("succeeded" as const),
      };
    });
  });
}
