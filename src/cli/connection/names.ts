/** Names as people write them, and the ids that calls take. */
import type { Agent } from "#shared/api/work/agents.js";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import type { Project } from "#shared/api/code/projects.js";
import { ApiError } from "#shared/contract/call.js";
import { NotFoundError, UsageError } from "../output/failures.js";
import type { Connection } from "./connect.js";
import { allRows, rowsOf } from "./pages.js";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The values of a call that are known so far. */
type Known = Readonly<Record<string, string>>;
type Resolve = (connection: Connection, text: string, known: Known) => Promise<string>;

const resolvers: Record<string, Resolve> = {
  organization_id: async (connection, text) =>
    (await connection.api.organizations.get({ params: { org_id: text } })).data.id,
  project_id: async (connection, text) => (await findProject(connection, text)).id,
  agent_id: async (connection, text) => (await findAgent(connection, text)).id,
  parent_agent_id: async (connection, text) => (await findAgent(connection, text)).id,
  task_id: async (connection, text) => (await findTask(connection, text)).id,
  depends_on: async (connection, text) => (await findTask(connection, text)).id,
  attempt_id: async (connection, text, { task_id }) =>
    attemptOf(await findTask(connection, task_id ?? ""), text).id,
  forge_id: async (connection, text) => {
    const params = { org_id: await organizationOf(connection) };
    const all = await allRows((query) => connection.api.forges.list({ params, query }));
    return named(all, text, "connection to a forge", ({ name }) => [name]).id;
  },
  automation_id: async (connection, text, { project_id = "" }) => {
    const params = { project_id };
    const all = await allRows((query) => connection.api.automations.list({ params, query }));
    return named(all, text, "automation", ({ name }) => [name]).id;
  },
  pull_request_id: async (connection, text) => {
    const { number, pull_request } = await findTask(connection, text);
    if (pull_request) return pull_request.id;
    throw new NotFoundError(`Task #${number} has no pull request; omoi pr open opens one.`);
  },
  run_id: findRun,
  session_id: findSession,
  role_id: findRole,
  member_id: async (connection, text) => (await findMember(connection, text)).id,
  user_id: findUser,
  owner: findUser,
  assignees: findUser,
  service_account_id: async (connection, text) => {
    const params = { org_id: await organizationOf(connection) };
    const all = await allRows((query) => connection.api.serviceAccounts.list({ params, query }));
    return named(all, text, "service account", ({ name }) => [name]).id;
  },
  key_id: findKey,
  invitation_id: async (connection, text) => {
    const params = { org_id: await organizationOf(connection) };
    const all = await allRows((query) => connection.api.invitations.list({ params, query }));
    return one(
      all.filter(({ email }) => email === text),
      text,
      "invitation",
      "its address",
    ).id;
  },
};

/** Whether a field takes a name instead of its id. */
export const isNamed = (field: string): boolean => field in resolvers;

/**
 * Returns the value of a field of a call: names of agents, projects, roles, members, service accounts and keys become
 * ids.
 * @param known values of fields before it
 * @throws NotFoundError; UsageError for a name of several
 */
export async function valueOf(
  connection: Connection,
  field: string,
  text: string,
  known: Known = {},
): Promise<string> {
  const resolve = uuid.test(text) ? undefined : resolvers[field];
  return resolve ? resolve(connection, text, known) : text;
}

/**
 * Returns the organization of a command: `--org`, the context's, or the only one.
 * @returns its slug or id
 * @throws UsageError if there are several to choose from
 */
export async function organizationOf(connection: Connection): Promise<string> {
  if (connection.organization !== null) return connection.organization;
  const { data } = await connection.api.organizations.list({ query: { limit: 2 } });
  const [only, another] = data;
  if (only && !another) {
    connection.organization = only.slug;
    return only.slug;
  }
  throw new UsageError(
    only
      ? "Say which organization: --org SLUG, or once and for all omoi context use-org SLUG."
      : "You are in no organization yet; omoi org create NAME makes one.",
  );
}

/** The id of the command's organization. */
export async function organizationIdOf(connection: Connection): Promise<string> {
  if (connection.organizationId !== null) return connection.organizationId;
  const organization = await organizationOf(connection);
  return uuid.test(organization)
    ? organization
    : (await connection.api.organizations.get({ params: { org_id: organization } })).data.id;
}

/** The filter for the organization; agents, which may not read it, list what they see. */
async function inOrganization(connection: Connection): Promise<{ organization_id?: string }> {
  try {
    return { organization_id: await organizationIdOf(connection) };
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return {};
    throw error;
  }
}

/** Finds a project by its id, its slug or name, or `organization/project`. */
export async function findProject(connection: Connection, text: string): Promise<Project> {
  if (uuid.test(text)) {
    return (await connection.api.projects.get({ params: { project_id: text } })).data;
  }
  const [slug = "", organization] = text.split("/").toReversed();
  const scope =
    organization === undefined ? connection : { ...connection, organization, organizationId: null };
  const inScope = await inOrganization(scope);
  const all = await allRows((query) =>
    connection.api.projects.list({ query: { ...query, ...inScope } }),
  );
  return named(all, slug, "project", ({ slug: own, name }) => [own, name]);
}

/** Finds an agent by its id, its name, or `project/agent`. */
export async function findAgent(connection: Connection, text: string): Promise<Agent> {
  if (uuid.test(text)) {
    return (await connection.api.agents.get({ params: { agent_id: text } })).data;
  }
  const [name = "", project] = text.split("/").toReversed();
  const scope =
    project === undefined
      ? await inOrganization(connection)
      : { project_id: (await findProject(connection, project)).id };
  const all = await allRows((query) =>
    connection.api.agents.list({ query: { ...query, ...scope } }),
  );
  const found = all.filter((agent) => agent.name === name);
  return one(found, text, "agent", "project/agent, or its id");
}

/** The name of the task that the agent of a run works on. */
export const OWN_TASK = "own";

/**
 * Finds a task by its id, its number (`12` or `#12`), `project#12`, or the address of its page; `own` is that of
 * the run's agent. Numbers without a project that follow are of the same project.
 */
export async function findTask(connection: Connection, text: string): Promise<Task> {
  const id = /^https?:\/\/[^?#]*\/tasks\/([^/?#]+)/.exec(text)?.[1] ?? text;
  const task =
    id === OWN_TASK
      ? await findOwn(connection)
      : uuid.test(id)
        ? (await connection.api.tasks.get({ params: { task_id: id } })).data
        : await findNumber(connection, text);
  connection.project = task.project_id;
  return task;
}

/** The task that the agent of this run works on. @throws UsageError outside of a run; NotFoundError */
async function findOwn(connection: Connection): Promise<Task> {
  const agent_id = process.env["OMOI_AGENT_ID"];
  if (!agent_id || connection.context !== null) {
    throw new UsageError("Name the task: its number, such as 12 or shop#12, or its id.");
  }
  const { api } = connection;
  const { data: agent } = await api.agents.get({ params: { agent_id } });
  const params = { project_id: agent.project_id };
  for await (const task of rowsOf((query) => api.tasks.list({ params, query }))) {
    if (task.attempts.some((attempt) => attempt.agent_id === agent_id)) return task;
  }
  throw new NotFoundError("This agent works on no task.");
}

async function findNumber(connection: Connection, text: string): Promise<Task> {
  const [, ofProject, digits] = /^(?:(.+)[#/]|#)?(\d{1,9})$/.exec(text) ?? [];
  if (digits === undefined) {
    throw new UsageError(`${text} names no task. Write its number, such as 12 or shop#12.`);
  }
  const number = Number(digits);
  const project = ofProject ?? connection.project;
  const query = { q: String(number), sort: "number" } as const;
  const { tasks } = connection.api;
  if (project !== null) {
    const params = { project_id: (await findProject(connection, project)).id };
    const rows = rowsOf((page) => tasks.list({ params, query: { ...query, ...page } }));
    for await (const task of rows) if (task.number === number) return task;
    throw new NotFoundError(`There is no task #${number} in ${project}, or you may not see it.`);
  }
  const params = { org_id: await organizationOf(connection) };
  const all = await allRows((page) => tasks.listAll({ params, query: { ...query, ...page } }));
  const found = all.filter((task) => task.number === number);
  const [first, second] = found;
  if (!first) throw new NotFoundError(`There is no task #${number}, or you may not see it.`);
  if (!second) return first;
  const names = found.map(({ project_name }) => project_name).join(", ");
  throw new UsageError(
    `Several projects have a task #${number}: ${names}. Add --project PROJECT, or write PROJECT#${number}.`,
  );
}

/**
 * Returns the attempt that a text names by number or agent; without a text the chosen or only one.
 * @throws NotFoundError; UsageError if the text has to say which
 */
export function attemptOf(task: Task, text?: string): Attempt {
  const { attempts, chosen_attempt_id } = task;
  if (text !== undefined) {
    const found = attempts.find(({ id, number, agent_name }) =>
      [id, String(number), agent_name].includes(text.replace(/^#/, "")),
    );
    if (found) return found;
    throw new NotFoundError(
      `#${task.number} has no attempt ${text}; omoi task compare ${task.number} lists them.`,
    );
  }
  const live = attempts.filter(({ status }) => status !== "archived");
  const [only, another] = live.length > 0 ? live : attempts;
  const chosen = attempts.find(({ id }) => id === chosen_attempt_id);
  if (chosen) return chosen;
  if (!only) {
    throw new NotFoundError(
      `#${task.number} has not started; omoi task retry ${task.number} starts it.`,
    );
  }
  if (!another) return only;
  throw new UsageError(
    `#${task.number} has ${live.length} attempts. Choose one with omoi task choose ${task.number} NUMBER, or name one with --attempt NUMBER.`,
  );
}

/** A run by its id, or the current or last one of an agent. */
async function findRun(connection: Connection, text: string): Promise<string> {
  const { current_run, queued_run, last_run } = await findAgent(connection, text);
  const run = current_run ?? queued_run ?? last_run;
  if (!run) throw new NotFoundError(`${text} has no run yet; omoi agent start ${text} starts one.`);
  return run.id;
}

/** A session by its id, or the newest one of an agent. */
async function findSession(connection: Connection, text: string): Promise<string> {
  const { id: agent_id } = await findAgent(connection, text);
  const { data } = await connection.api.agentSessions.list({
    params: { agent_id },
    query: { limit: 1 },
  });
  const [newest] = data;
  if (!newest) throw new NotFoundError(`${text} has no session yet.`);
  return newest.id;
}

async function findRole(connection: Connection, text: string): Promise<string> {
  const params = { org_id: await organizationOf(connection) };
  const all = await allRows((query) => connection.api.roles.list({ params, query }));
  return named(all, text, "role", ({ name }) => [name]).id;
}

async function findMember(connection: Connection, text: string) {
  const params = { org_id: await organizationOf(connection) };
  const all = await allRows((query) => connection.api.members.list({ params, query }));
  return named(all, text, "member", ({ email, display_name }) => [
    email ?? display_name,
    display_name,
  ]);
}

/** The id of a member who is a person. */
async function findUser(connection: Connection, text: string): Promise<string> {
  const member = await findMember(connection, text);
  if (member.user_id === null || member.kind !== "user") {
    throw new NotFoundError(
      `${text} is ${member.kind === "agent" ? "an agent" : "a service account"}, not a person.`,
    );
  }
  return member.user_id;
}

/** Finds an active key of a known service account, or of the caller, that has not been rotated. */
async function findKey(connection: Connection, text: string, known: Known): Promise<string> {
  const { service_account_id } = known;
  const params = { org_id: known["org_id"] ?? "", service_account_id: service_account_id ?? "" };
  const all = await allRows((query) =>
    service_account_id === undefined
      ? connection.api.apiKeys.list({ query })
      : connection.api.serviceAccounts.listKeys({ params, query }),
  );
  // A rotated key has the name of its successor.
  const live = all.filter(({ status, replaced_by }) => status === "active" && replaced_by === null);
  return named(live, text, "active key", ({ name, key_prefix }) => [name, key_prefix]).id;
}

function named<Row>(
  rows: readonly Row[],
  text: string,
  what: string,
  namesOfRow: (row: Row) => readonly string[],
): Row {
  const found = rows.filter((row) => namesOfRow(row)[0] === text);
  return one(
    found.length > 0 ? found : rows.filter((row) => namesOfRow(row).includes(text)),
    text,
    what,
    "its id",
  );
}

function one<Row>(found: readonly Row[], text: string, what: string, instead: string): Row {
  const [first, second] = found;
  if (!first) throw new NotFoundError(`There is no ${what} ${text}, or you may not see it.`);
  if (second) throw new UsageError(`Several are called ${text}; name the ${what} by ${instead}.`);
  return first;
}
