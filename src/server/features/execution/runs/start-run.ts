import { authorOf } from "../../../access/author.queries.js";
import type { NewRun, Run } from "#shared/api/execution/runs.js";
import { hasServerFolder } from "#shared/code/workspace-choices.js";
import { requirePermission } from "../../../access/access.js";
import { originOf } from "../../../db/audit/audit.js";
import { newId } from "../../../db/tables/columns.js";
import { violatedConstraint, type Queryable } from "../../../db/connection/connect.js";
import { AppError, invalidField, unavailable } from "../../../errors.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import { publish } from "#shared/node/measurements.js";
import { enforcementProblem, isolationProblem } from "#sandbox/input.js";
import type { SandboxReport } from "#sandbox/sandbox.js";
import { withWorkspaceToRun, type RunPlace } from "../../code/workspaces/index.js";
import { fullNetworkOf } from "./execution/full-network.js";
import { requirePreset } from "./presets/require-preset.js";
import { resolvePreset } from "./presets/resolve-preset.js";
import * as managed from "./managed-runs.queries.js";
import * as queries from "./runs.queries.js";
import type { Masker } from "#execution/logs/mask-secrets.js";
import { checkCapacity, requireQueueSpace, runInProgress } from "./queue/reserve-run.js";
import { sealEnvironment, secretsOf } from "./run-variables.js";
import type { RunDeps } from "./run-deps.js";
import { queueForRunner } from "./on-runners/queue-for-runner.js";
import { updateSession } from "./sessions/sessions.queries.js";
import type { Launch } from "./execution/launch.js";

const waitsForEnvironment = "Waiting for the project's environment to be built.";

/**
 * Starts a leased run.
 * @throws AppError 403 `run_token_starts_no_runs`; 404; 409 `quota_exceeded`, `run_in_progress`
 */
export async function startLeasedRun(context: CallerContext, agentId: string): Promise<Run> {
  rejectRunToken(context);
  const run = await oneAtATime(() =>
    context.change(
      async (tx, audit, _access, candidate) => {
        const wait = checkCapacity(candidate, false);
        if (wait) throw wait.error;
        const started = await queries.insertLeasedRun(tx, {
          org_id: context.orgId,
          agent_id: agentId,
          origin: originOf(context),
          started_by: authorOf(context),
        });
        audit({
          action: "run.started",
          target: await queries.ownerOf(tx, started),
          changes: { run_id: { from: null, to: started.id } },
        });
        return started;
      },
      (tx: Queryable) => queries.findCandidate(tx, agentId),
    ),
  );
  publish("runStarted", { waitedSeconds: null });
  return run;
}

/** The session that a run is the program of. */
export interface SessionRun {
  id: string;
  command: readonly string[];
  /** Called in the transaction that starts the run, before it. */
  prepare(tx: Queryable): Promise<void>;
  open(
    runId: string,
    projectId: string,
    masker: Masker,
  ): Promise<NonNullable<Launch["conversation"]>>;
}

/**
 * Starts a command, given or made by a preset, in the agent's workspace, or queues it: on request, and
 * while the workspace waits for its environment. The run is reserved within the
 * limits, then started, and from then on recorded by its supervisor. The workspace's lock is held
 * meanwhile, so no earlier operation still writes to the folder.
 * @throws AppError 403 `run_token_starts_no_runs`, and without `agent:network:full` for the network `full`;
 * 404 `workspace_missing`; 409 `workspace_not_active`, `quota_exceeded`, `run_in_progress`, `sandbox_unavailable`, `network_not_isolated`, `task_untrusted`,
 * `program_missing`, `missing_model_key`; 422 when the
 * environment is too large to be masked, or a preset has no prompt
 */
export async function startManagedRun(
  deps: RunDeps,
  context: CallerContext,
  agentId: string,
  wanted: NewRun,
  session: SessionRun | null = null,
): Promise<Run> {
  const { supervisor, settings, workspaces } = deps;
  rejectRunToken(context);
  const { orgId } = context;
  const id = newId();
  const { workspaceType, is_untrusted, ...defaults } = await context.tx((tx) =>
    queries.findDefaults(tx, agentId),
  );
  const isForRunner = session === null && workspaceType !== null && !hasServerFolder(workspaceType);
  if (!isForRunner) requireSandbox(deps);
  const { network, ...resolved } = resolvePreset(wanted, defaults, session?.command);
  if (network === "full") requireFull(context, is_untrusted);
  if (isForRunner) {
    const inCluster = workspaceType === "kubernetes";
    return queueForRunner(deps, context, agentId, wanted, { network, ...resolved }, inCluster);
  }
  if (wanted.runner_labels !== undefined) {
    throw invalidField(
      "runner_labels",
      "applies to a remote workspace; this one has a folder on the server",
    );
  }
  const given = wanted.env ?? {};
  const { token, hash } = supervisor.newToken();
  await oneAtATime(() =>
    withWorkspaceToRun(workspaces, orgId, agentId, uidOf(deps), deps.saveLost, async (place) => {
      const { projectId, name } = place;
      const { secrets, masker } = await secretsOf(
        deps,
        {
          org_id: orgId,
          agent_id: agentId,
          preset: resolved.preset,
          allowed_hosts: resolved.allowed_hosts,
        },
        projectId,
        given,
        token,
      );
      const { sandbox, ...held } = sandboxFor(deps, place, network);
      const start = { ...resolved, network, given, isSession: session !== null };
      await requirePreset(deps, start, { secrets }, place);
      const run: managed.AgentRun = {
        id,
        kind: "managed",
        org_id: orgId,
        agent_id: agentId,
        project_id: null,
        command: resolved.command,
        preset: resolved.preset,
        timeout_seconds: wanted.timeout_seconds ?? settings.runTimeoutSeconds,
        allowed_hosts: resolved.allowed_hosts,
        session_id: session?.id ?? null,
        ...held,
      };
      if (session !== null && place.isWaiting) {
        throw new AppError("workspace_busy", `${waitsForEnvironment} Try again when it is built.`);
      }
      const findCandidate = (tx: Queryable) => queries.findCandidate(tx, agentId);
      const starts = await context.change(async (tx, audit, _access, candidate) => {
        const wait = checkCapacity(candidate, false);
        if (wait && wanted.queue !== true) throw wait.error;
        const detail = place.isWaiting ? waitsForEnvironment : (wait?.detail ?? null);
        const changes = {
          run_id: { from: null, to: id },
          ...(run.preset && { preset: { from: null, to: run.preset } }),
          network: { from: null, to: run.network },
          ...(run.allowed_hosts && { allowed_hosts: { from: null, to: run.allowed_hosts } }),
        };
        audit({ action: "run.started", target: { type: "agent", id: agentId, name }, changes });
        const asked = {
          ...run,
          prompt: resolved.prompt,
          model: resolved.model,
          started_by: authorOf(context),
          origin: originOf(context),
          env_names: Object.keys(given).toSorted(),
        };
        if (detail === null) {
          const held = { server_id: supervisor.serverId, token_hash: hash };
          await session?.prepare(tx);
          await managed.insertStarted(tx, asked, held);
          if (session) await updateSession(tx, session.id, { run_id: id, status: "starting" });
          return true;
        }
        await requireQueueSpace(tx, orgId);
        const sealed_env = sealEnvironment(settings, id, given);
        await managed.insertQueued(tx, { ...asked, sealed_env, detail });
        return false;
      }, findCandidate);
      if (starts) {
        publish("runStarted", { waitedSeconds: null });
        await supervisor.launch({
          ...launchIn(place),
          run,
          waitedSeconds: null,
          env: given,
          secrets,
          token,
          masker,
          conversation: session === null ? null : await session.open(id, projectId, masker),
          sandbox,
        });
      }
    }),
  );
  return (await context.tx((tx) => queries.findRun(tx, id))) as Run;
}

/** @throws AppError 403 `insufficient_permission`; 409 `task_untrusted` */
function requireFull({ access }: CallerContext, isUntrusted: boolean): void {
  requirePermission(access, "agent:network:full");
  if (!isUntrusted) return;
  throw new AppError(
    "task_untrusted",
    "The text of the agent's task is by people from outside, so its runs never have the network full; use restricted.",
  );
}

/** Returns what a launch takes from the workspace. */
export function launchIn(
  place: RunPlace,
): Pick<Launch, "projectId" | "folder" | "home" | "uid" | "repository"> {
  const { projectId, folder, home, uid } = place;
  return { projectId, folder, home, uid, repository: place };
}

/** Otherwise a run could start its own successor and never be stopped. */
export function rejectRunToken({ actor }: CallerContext): void {
  if (!actor.key?.ofRun) return;
  throw new AppError(
    "run_token_starts_no_runs",
    "A run's token cannot start or queue runs; use an API key, or let a user start it.",
  );
}

/** Whether this server can run commands. */
export function runsCommands({ sandbox, docker }: RunDeps): boolean {
  return sandbox.report.mode !== "unavailable" || docker.report.mode !== "unavailable";
}

/** Returns the uid of runs in workspaces without an own uid, identical for each kind of workspace. */
export function uidOf({ sandbox, docker }: RunDeps): number | null {
  return sandbox.report.uid ?? docker.report.uid;
}

/** The sandbox of a run with its enforced limits. */
interface EnforcedSandbox extends Pick<managed.ManagedRun, "limits" | "network"> {
  sandbox: Launch["sandbox"];
}

/**
 * Chooses the sandbox of a workspace. With the sandbox turned off by the operator, a run always has the
 * machine's network and reports it.
 * @throws AppError 409 `sandbox_unavailable`, 422 `docker_unavailable`, also when it cannot enforce the
 * limits; 409 `network_not_isolated`
 */
export function sandboxFor(
  deps: RunDeps,
  { isDocker }: Pick<RunPlace, "isDocker">,
  network: managed.ManagedRun["network"],
): EnforcedSandbox {
  const { limits } = deps;
  const { report } = isDocker ? deps.docker : deps.sandbox;
  const code = isDocker ? "docker_unavailable" : "sandbox_unavailable";
  const sandbox = isDocker ? deps.docker : deps.sandbox;
  if (report.mode === "unavailable") throw new AppError(code, ...cureOf(report));
  const networks =
    network === "full" ? { ...report, fullNetwork: fullNetworkOf(report, deps.settings) } : report;
  const shared = isolationProblem(networks, { network });
  const isOff = report.mode === "off" && network !== "restricted";
  if (shared !== null && !isOff) {
    const { install } = network === "full" ? networks.fullNetwork : networks.restrictedNetwork;
    throw new AppError("network_not_isolated", shared, { install });
  }
  if (isOff) return { sandbox, limits, network: "full" };
  const asked = { network, limits: { cpus: limits.cpus, diskBytes: limits.disk_bytes } };
  const unheld = enforcementProblem(report, asked);
  if (unheld !== null) throw new AppError(code, unheld);
  return { sandbox, limits, network };
}

function cureOf({
  reason,
  install,
}: Pick<SandboxReport, "reason" | "install">): [string, { install: string | null }] {
  const cure = install === null ? "" : `; install what is missing: ${install}`;
  return [`${reason}${cure}.`, { install }];
}

/** @throws AppError 409 `sandbox_unavailable`; 503 when the server is stopping */
export function requireSandbox(deps: RunDeps): void {
  if (!deps.supervisor.accepts) {
    throw unavailable("The server is stopping; try again in a moment.");
  }
  if (!runsCommands(deps)) {
    throw new AppError("sandbox_unavailable", ...cureOf(deps.sandbox.report));
  }
}

async function oneAtATime<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (violatedConstraint(error) === "runs_one_per_agent") throw runInProgress();
    throw error;
  }
}
