import type { NewTask } from "#shared/api/work/tasks.js";
import type { PresetName } from "#shared/execution/run-choices.js";
import type { AuditWriter } from "../../../db/audit/audit.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { newId } from "../../../db/tables/columns.js";
import type { AttemptLaunch } from "../../../db/tables/task-tables.js";
import { invalidField } from "../../../errors.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import { reserveWorkspace } from "../../code/workspaces/index.js";
import type { RunDeps } from "../../execution/runs/start.js";
import { insertAgent } from "../agents/index.js";
import type { TaskRow } from "./tasks.queries.js";
import { insertAttempt } from "./queries/attempts.queries.js";
import { isNameTaken } from "./queries/create-task.queries.js";

/** The choice of the program in a request. */
export type LaunchInput = Pick<
  NewTask,
  "preset" | "command" | "model" | "network" | "allowed_hosts"
>;

/**
 * Completes what starts an attempt: the program is the project's default, or the only one that can start here.
 * @throws AppError 422 for a choice that is missing or does not fit
 */
export async function resolveLaunch(
  deps: RunDeps,
  project: { default_preset: PresetName | null; default_model: string | null },
  input: LaunchInput,
  prompt: string,
): Promise<AttemptLaunch> {
  const preset =
    input.preset ??
    (input.command === undefined ? project.default_preset : "custom") ??
    (await onlyProgram(deps));
  const isCustom = preset === "custom";
  if (isCustom && input.command === undefined) {
    throw invalidField("command", "is required with the preset custom");
  }
  if (!isCustom && input.command !== undefined) {
    throw invalidField("command", "is made by the preset; remove it, or use the preset custom");
  }
  if (isCustom && input.model !== undefined) {
    throw invalidField("model", "does not apply to the preset custom; put it into the command");
  }
  const { network, allowed_hosts, command } = input;
  if ((network ?? "restricted") !== "restricted" && allowed_hosts !== undefined) {
    throw invalidField("allowed_hosts", "applies only to the network restricted");
  }
  const isDefault = preset === project.default_preset;
  const model = isCustom
    ? undefined
    : (input.model ?? (isDefault ? (project.default_model ?? undefined) : undefined));
  return {
    preset,
    prompt,
    ...(command && { command: [...command] }),
    ...(model !== undefined && { model }),
    ...(network && { network }),
    ...(allowed_hosts && { allowed_hosts: [...allowed_hosts] }),
  };
}

/** Returns the only program that is installed for sessions. @throws AppError 422 */
async function onlyProgram(deps: RunDeps): Promise<PresetName> {
  const found = await deps.sessionPresets();
  const [only, ...others] = found;
  if (only !== undefined && others.length === 0) return only;
  throw invalidField(
    "preset",
    only === undefined
      ? "must be given: no known program is installed on the server's machine"
      : `must be given: ${found.join(", ")} are installed; the project's default_preset chooses one for good`,
  );
}

/** Maximum length of the part of a name that a title gives. */
const MAX_NAME = 40;

/** Makes the beginning of an agent's name from a title: letters of other scripts are left out. */
export function nameFrom(title: string): string {
  const plain = title
    .normalize("NFKD")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, MAX_NAME)
    .replaceAll(/^-+|-+$/g, "");
  return plain === "" ? "task" : plain;
}

/** Returns a free name for the agent of an attempt. The caller holds the organization's lock. */
async function freeName(tx: Queryable, orgId: string, wanted: string): Promise<string> {
  for (let copy = 1; ; copy += 1) {
    const name = copy === 1 ? wanted : `${wanted}-${copy}`;
    if (!(await isNameTaken(tx, orgId, name))) return name;
  }
}

/**
 * Reserves attempts with their agents and workspaces, in a change of the organization. `startAttempt` starts them.
 * Returns their ids.
 */
export async function insertAttempts(
  tx: Queryable,
  audit: AuditWriter,
  context: CallerContext,
  task: Pick<TaskRow, "id" | "project_id" | "number" | "title" | "body">,
  input: {
    launch: AttemptLaunch;
    count: number;
    first: number;
    baseBranch: string;
    /** The commit of a forge to begin with, in place of the base branch's newest. */
    startCommit?: string;
  },
): Promise<string[]> {
  const { orgId } = context;
  const ids: string[] = [];
  for (let index = 0; index < input.count; index += 1) {
    const number = input.first + index;
    const suffix = number === 1 ? "" : `-${number}`;
    const name = await freeName(tx, orgId, `${nameFrom(task.title)}-${task.number}${suffix}`);
    const agentId = newId();
    await insertAgent(tx, audit, context, {
      id: agentId,
      project_id: task.project_id,
      name,
      description: null,
      parent_agent_id: null,
      task: { title: task.title, text: input.launch.prompt },
    });
    await reserveWorkspace(tx, audit, {
      agent_id: agentId,
      org_id: orgId,
      project_id: task.project_id,
      branch_name: `workspace-${name}`,
      base_branch: input.baseBranch,
      workspace_type: "local",
      parent_agent_id: null,
      merge_strategy: "newest_file_wins",
      ...(input.startCommit !== undefined && { start_commit: input.startCommit }),
    });
    const id = newId();
    await insertAttempt(tx, {
      id,
      org_id: orgId,
      task_id: task.id,
      number,
      agent_id: agentId,
      session_id: newId(),
      preset: input.launch.preset,
      launch: input.launch,
    });
    ids.push(id);
  }
  return ids;
}
