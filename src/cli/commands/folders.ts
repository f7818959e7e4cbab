/** `omoi clone`, `push` and `pull`: a folder of this machine as a remote workspace, by git. */
import { existsSync, realpathSync } from "node:fs";
import { hostname } from "node:os";
import { basename, resolve } from "node:path";
import { text as readAll } from "node:stream/consumers";
import type { Command } from "commander";
import type { Agent } from "#shared/api/work/agents.js";
import type { Project } from "#shared/api/code/projects.js";
import { isUuid } from "#shared/uuid.js";
import { connect, type Connection } from "../connection/connect.js";
import { findAgent, findProject } from "../connection/names.js";
import { exitCodes, FailedError, NotFoundError, UsageError } from "../output/failures.js";
import { note, writeLine } from "../output/print.js";
import { plain } from "../output/values.js";
import { askGit, git } from "../run-program.js";
import { addCommon, type CommonOptions } from "./common-options.js";

interface PushOptions extends CommonOptions {
  project?: string;
  agent?: string;
  message?: string;
}

export function addFolders(program: Command): void {
  addCommon(
    program
      .command("clone")
      .description("Clone a project; git then signs in as you do here")
      .argument("<PROJECT>", "slug, organization/slug, or id")
      .argument("[FOLDER]", "by default the slug")
      .option("--agent <AGENT>", "the branch of that agent's workspace"),
  ).action(clone);
  addCommon(
    program
      .command("push")
      .description("Commit this folder and push it to a remote workspace of its own")
      .option(
        "--project <PROJECT>",
        "the project, the first time in a folder that omoi clone did not make",
      )
      .option("--agent <AGENT>", "the agent whose workspace it is; the first push creates one")
      .option("-m, --message <TEXT>", "the message of the commit", "Work"),
  )
    .addHelpText(
      "after",
      `
Examples:
  omoi clone shop && cd shop
  omoi push --agent laptop -m 'Add the login page'
  omoi pull
  omoi merge laptop`,
    )
    .action(push);
  addCommon(
    program
      .command("pull")
      .description("Merge the base branch into this folder's workspace, and bring both here"),
  ).action(pull);
  program
    .command("credential", { hidden: true })
    .argument("<OPERATION>")
    .option("--context <NAME>")
    .action(credential);
}

/** The value of git's configuration in this folder; null for none. */
const setting = (name: string): string | null => askGit(["config", "--local", "--get", name]);

/** A word for a shell. */
const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

/** Git's settings that ask this command for the key, so that no file of the clone contains it. */
export function helperOf({ url, context }: Connection): string[] {
  const self = [process.execPath, process.argv[1] ?? ""].map(quoted);
  const section = `credential.${url}`;
  const name = context === null ? "" : ` --context ${quoted(context)}`;
  return [`${section}.helper=`, `${section}.helper=!${self.join(" ")} credential${name}`];
}

async function clone(
  name: string,
  folder: string | undefined,
  options: CommonOptions & { agent?: string },
): Promise<void> {
  const connection = connect(options);
  const project = await findProject(connection, name);
  const agent = options.agent === undefined ? null : await findAgent(connection, options.agent);
  if (agent !== null && agent.workspace_branch === null) {
    throw new FailedError(`${agent.name} has no workspace yet.`);
  }
  const target = folder ?? project.slug;
  if (existsSync(target)) throw new UsageError(`${target} exists already.`);
  const settings = helperOf(connection).flatMap((one) => ["--config", one]);
  const branch = agent?.workspace_branch == null ? [] : ["--branch", agent.workspace_branch];
  git(["clone", "--quiet", ...settings, ...branch, await urlOf(connection, project), target], {
    shows: true,
  });
  git(["-C", target, "config", "omoi.project", project.id]);
  if (agent) git(["-C", target, "config", "omoi.agent", agent.id]);
  note(`Cloned ${plain(project.name)} into ${target}.`);
  if (options.quiet !== true) writeLine(resolve(target));
}

/** The address of a project's repository. */
async function urlOf({ api, url }: Connection, project: Project): Promise<string> {
  const { data } = await api.organizations.get({ params: { org_id: project.organization_id } });
  return `${url}/git/${data.slug}/${project.slug}.git`;
}

async function push(options: PushOptions): Promise<void> {
  const connection = connect(options);
  await ensureRepository(connection, options);
  const agent = await ensureAgent(connection, options);
  const branch = agent.workspace_branch as string;
  if (git(["status", "--porcelain"]) !== "") {
    git(["add", "--all"]);
    git([...identity(), "commit", "--quiet", "--message", options.message ?? "Work"], {
      shows: true,
    });
  }
  git(["push", "--quiet", "origin", `HEAD:refs/heads/${branch}`], { shows: true });
  const head = git(["rev-parse", "--short=12", "HEAD"]);
  note(
    `Pushed ${head} to ${plain(agent.name)}. omoi merge ${agent.name} brings it into the base branch.`,
  );
  if (options.quiet === true) writeLine(agent.id);
}

/** A name for commits where git knows none. */
function identity(): string[] {
  return askGit(["config", "user.email"]) !== null
    ? []
    : ["-c", "user.name=omoi", "-c", `user.email=omoi@${hostname()}`];
}

/** Makes this folder a repository of the project, whose files are then changes of its base branch. */
async function ensureRepository(
  connection: Connection,
  { project: name }: PushOptions,
): Promise<void> {
  const isRepository = askGit(["rev-parse", "--is-inside-work-tree"]) !== null;
  const known = isRepository ? setting("omoi.project") : null;
  if (known !== null) return;
  if (name === undefined) {
    throw new UsageError(
      "This folder belongs to no project yet; name it with --project, or omoi clone it.",
    );
  }
  const origin = isRepository ? setting("remote.origin.url") : null;
  const project = await findProject(connection, name);
  const url = await urlOf(connection, project);
  if (origin !== null && origin !== url) {
    throw new UsageError("This repository has another origin; omoi clone the project instead.");
  }
  if (
    isRepository &&
    realpathSync(askGit(["rev-parse", "--show-toplevel"]) ?? "") !== realpathSync(".")
  ) {
    throw new UsageError(
      "This folder is part of a repository; go to its top, or to a folder of its own.",
    );
  }
  const hasCommits = isRepository && askGit(["rev-parse", "--quiet", "--verify", "HEAD"]) !== null;
  // Set while an earlier push was joining the folder to its project.
  const isUnfinished = isRepository && setting("omoi.joining") !== null;
  // A reset would take its own commits from its branch.
  if (hasCommits && !isUnfinished && origin === null) {
    throw new UsageError(
      "This repository has commits of its own; add the project as a remote and push with git, or omoi clone it.",
    );
  }
  if (!isRepository) git(["init", "--quiet"]);
  setCredentialHelper(connection);
  // A clone that git made has the project's commits already, and its files may have been deleted on purpose.
  if (!hasCommits || isUnfinished) joinProject(project, origin === null ? url : null);
  git(["config", "omoi.project", project.id]);
}

/** Gives a folder without commits the history of a project. An interrupted call is repeated by the next push. */
function joinProject(project: Project, newOrigin: string | null): void {
  git(["config", "omoi.joining", "true"]);
  if (newOrigin !== null) git(["remote", "add", "origin", newOrigin]);
  git(["fetch", "--quiet", "origin"], { shows: true });
  // The files stay as they are, and git sees them as changes of the base branch. Its other files are brought
  // here: they are not deleted because they were never in this folder.
  git(["reset", "--quiet", `origin/${project.default_branch}`]);
  const missing = git(["ls-files", "--deleted", "-z"]);
  if (missing !== "") git(["checkout-index", "-z", "--stdin"], { input: missing });
  git(["config", "--unset", "omoi.joining"]);
}

/** Sets the helper of `helperOf`, whatever was set before. */
function setCredentialHelper(connection: Connection): void {
  const [first = "", ...more] = helperOf(connection);
  const split = (one: string): [string, string] => {
    const at = one.indexOf("=");
    return [one.slice(0, at), one.slice(at + 1)];
  };
  git(["config", "--replace-all", ...split(first)]);
  for (const one of more) git(["config", "--add", ...split(one)]);
}

/** The agent of this folder, with a remote workspace; the first push creates both. */
async function ensureAgent(connection: Connection, options: PushOptions): Promise<Agent> {
  const { api } = connection;
  const project_id = setting("omoi.project") as string;
  const known = setting("omoi.agent");
  const name = options.agent ?? known ?? defaultName();
  const isId = isUuid(name);
  let agent: Agent;
  try {
    agent = await findAgent(connection, isId ? name : `${project_id}/${name}`);
  } catch (error) {
    if (isId || !(error instanceof NotFoundError)) throw error;
    ({ data: agent } = await api.agents.create({ body: { project_id, name } }));
  }
  if (agent.workspace_branch === null) {
    await api.workspaces.create({
      params: { agent_id: agent.id },
      body: { workspace_type: "remote" },
    });
    ({ data: agent } = await api.agents.get({ params: { agent_id: agent.id } }));
  }
  git(["config", "omoi.agent", agent.id]);
  return agent;
}

/** A name for the agent of this folder. */
function defaultName(): string {
  const text = `${hostname()}-${basename(process.cwd())}`.toLowerCase();
  return (
    text
      .replaceAll(/[^a-z0-9]+/g, "-")
      .replaceAll(/^-+|-+$/g, "")
      .slice(0, 64) || "folder"
  );
}

async function pull(options: CommonOptions): Promise<void> {
  const connection = connect(options);
  const agent_id = setting("omoi.agent");
  if (agent_id === null)
    throw new UsageError("This folder has no workspace yet; omoi push makes one.");
  const { data: agent } = await connection.api.agents.get({ params: { agent_id } });
  if (git(["status", "--porcelain"]) !== "") {
    throw new FailedError("This folder has changes; omoi push them first.", exitCodes.conflict);
  }
  const { data: merge } = await connection.api.workspaces.sync({ params: { agent_id }, body: {} });
  git(["pull", "--quiet", "--ff-only", "origin", agent.workspace_branch as string], {
    shows: true,
  });
  note(
    merge.status === "up_to_date"
      ? "Nothing new in the base branch."
      : `Merged ${plain(merge.source_branch)}: ${merge.total_conflicts} conflicts were decided.`,
  );
}

/**
 * Answers git's credential protocol with the key of the installation that git asks about, and nothing for other
 * servers.
 */
async function credential(operation: string, { context }: { context?: string }): Promise<void> {
  const asked = new Map(
    (await readAll(process.stdin)).split("\n").map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1)] as const;
    }),
  );
  if (operation !== "get") return;
  const { url, token } = connect({ context });
  if (`${asked.get("protocol")}://${asked.get("host")}` !== url) return;
  process.stdout.write(`username=key\npassword=${token}\n`);
}
