import { z } from "zod";
import { runs, type Run } from "#shared/api/execution/runs.js";
import { type Preset, presets } from "#shared/api/execution/presets.js";
import { type PresetName, presetNames } from "#shared/execution/run-choices.js";
import type { sandbox, SandboxState } from "#shared/api/execution/sandbox.js";
import { notFound } from "../../../errors.js";
import { authenticate, type Credentials } from "../../../access/authenticate.js";
import { organizationsWith, resolveAccess } from "../../../access/authorize.js";
import { allows } from "../../../access/access.js";
import { Content, eventStream } from "../../../http/answers/answer.js";
import type { Handlers } from "../../../http/register-routes.js";
import { byId, fromMemory, pagesOf } from "../../../http/requests/pagination.js";
import type { SandboxReport } from "#sandbox/sandbox.js";
import { kubernetesState } from "../runners/index.js";
import { listEgress } from "./egress/egress.queries.js";
import { fullNetworkOf } from "./execution/full-network.js";
import * as queries from "./runs.queries.js";
import { heartbeat } from "./heartbeat.js";
import { listPresets } from "./presets/list-presets.js";
import type { RunDeps } from "./run-deps.js";
import { logEventOf, type InTurn } from "./logs/log-reader.js";
import type { Followed } from "./logs/log-stream.js";
import { requireKeptLog } from "./logs/expired-logs.js";
import { showLog } from "./logs/show-log.js";
import { startLeasedRun, startManagedRun } from "./start-run.js";
import { openRunLog } from "./stored-logs/open-run-log.js";
import { stopRun } from "./stop-run.js";
import { listAllRuns, listTimeline } from "./timeline.queries.js";

export function runHandlers(
  deps: RunDeps,
  credentials: Credentials,
  publicUrl: () => string,
): Handlers<typeof runs> {
  const { db, logStorage, streams, logAccess, settings } = deps;
  const pages = pagesOf(runs.list, byId);
  const allPages = pagesOf(runs.listAll, byId);
  const egressPages = pagesOf(runs.egress, byId);
  const timelinePages = pagesOf(runs.timeline, byId);
  return {
    create: (context, { params, body }) =>
      body.external === true
        ? startLeasedRun(context, params.agent_id)
        : startManagedRun(deps, context, params.agent_id, body),
    list: (context, { params, query }) =>
      pages(context, query, {
        read: (after, limit) =>
          context.tx((db) =>
            queries.listRuns(db, params.agent_id, { ...query, after: after?.[0] ?? null }, limit),
          ),
        keyOf: ({ id }) => [id],
      }),
    listAll: async (context, { query }) => {
      const { actor } = context;
      const orgIds = await organizationsWith(db, actor, "agent:read", query.organization_id);
      // An agent sees only itself.
      const filter = { status: query.status, only: actor.agent?.id };
      return allPages(context, query, {
        read: (after, limit) =>
          db.withSystem("list runs", (tx) =>
            listAllRuns(tx, orgIds, { ...filter, after: after?.[0] ?? null }, limit),
          ),
        keyOf: ({ id }) => [id],
      });
    },
    timeline: (context, { query }) => {
      const { actor, orgId, tx } = context;
      // An agent sees only itself.
      const agentIds = [query.agent_id, actor.agent?.id].filter((id) => id !== undefined);
      const { since, until } = query;
      return timelinePages(context, query, {
        read: (after, limit) =>
          tx((db) =>
            listTimeline(db, orgId, { agentIds, since, until, after: after?.[0] ?? null }, limit),
          ),
        keyOf: ({ id }) => [id],
      });
    },
    get: async ({ tx }, { params }) => {
      const run = await tx((db) => queries.findRun(db, params.run_id));
      if (!run) throw notFound();
      return run;
    },
    logs: async ({ actor, orgId, tx, request }, { params: { run_id }, query }) => {
      const found = await tx(async (db) => {
        const run = await queries.findRun(db, run_id);
        return run && { run, projectId: await queries.projectOf(db, run.id) };
      });
      if (!found) throw notFound();
      const ofRun = { orgId, projectId: found.projectId, runId: run_id };
      const { ended_at, output } = found.run;
      const openFile = async (inTurn: InTurn) => {
        const log = await openRunLog(logStorage, ofRun, inTurn);
        if (log === null && (output?.bytes ?? 0) > 0) requireKeptLog(ended_at, settings.runLogDays);
        return log;
      };
      const reader = { orgId, caller: actor.agent?.id ?? actor.userId };
      if (!request.headers.accept?.includes("text/event-stream")) {
        const headers = {
          "cache-control": "no-store",
          ...(query.download && {
            "content-disposition": `attachment; filename="run-${run_id}.log"`,
          }),
        };
        const text = await showLog(logAccess, { openFile, reader, query });
        return new Content("text/plain", text, { headers });
      }
      if (request.method === "HEAD") return eventStream(null);
      // An answer with a status, if the log cannot be read.
      await (await openFile((work) => work()))?.close();
      const lastEventId = request.headers["last-event-id"];
      const stateOf = (run: Run): Followed => ({
        isOver: run.ended_at !== null,
        json: JSON.stringify(run),
      });
      const stream = streams.open({
        id: run_id,
        agentId: found.run.agent_id,
        event: "log",
        dataOf: (entry) => logEventOf(entry, query.raw),
        state: stateOf(found.run),
        openFile,
        reader,
        lastEventId: typeof lastEventId === "string" ? lastEventId : null,
        look: async () => {
          const now = await authenticate(request, credentials, publicUrl).catch(() => null);
          const access = now && (await resolveAccess(db, now, "run_id", run_id));
          if (!access || !allows(access, "agent:read")) return null;
          const run = await tx((transaction) => queries.findRun(transaction, run_id));
          return run ? stateOf(run) : null;
        },
      });
      return eventStream(stream);
    },
    egress: (context, { params, query }) =>
      egressPages(context, query, {
        read: (after, limit) =>
          context.tx((db) => listEgress(db, params.run_id, after?.[0] ?? null, limit)),
        keyOf: ({ id }) => [id],
      }),
    heartbeat: (context, { params }) => heartbeat(context, params.run_id),
    stop: (context, { params, body }) =>
      stopRun(context, db, params.run_id, body?.status ?? "stopped"),
  };
}

export function presetHandlers(deps: RunDeps): Handlers<typeof presets> {
  const pages = pagesOf(presets.list, z.tuple([z.enum(presetNames)]));
  return {
    list: async (context, { query }) => {
      const all = await listPresets(deps);
      const indexOf = (name: PresetName): number => presetNames.indexOf(name);
      const isAfter = ({ name }: Preset, [last]: readonly [PresetName]): boolean =>
        indexOf(name) > indexOf(last);
      return pages(context, query, {
        read: fromMemory(all, isAfter),
        keyOf: ({ name }) => [name] as const,
      });
    },
  };
}

export function sandboxHandlers(deps: RunDeps): Handlers<typeof sandbox> {
  return {
    get: async () => ({
      ...stateOf(deps),
      kubernetes: await deps.db.withSystem("read the state of the cluster", kubernetesState),
    }),
  };
}

function stateOf({ sandbox, docker, settings, limits }: RunDeps): Omit<SandboxState, "kubernetes"> {
  return {
    ...isolationOf(sandbox.report, settings),
    docker: isolationOf(docker.report, settings),
    limits,
    default_timeout_seconds: settings.runTimeoutSeconds,
    stop_grace_seconds: settings.runStopGraceSeconds,
    log_days: settings.runLogDays,
  };
}

/** Presents a sandbox report without the user that commands run as. */
function isolationOf<Mode extends string>(
  report: Omit<SandboxReport, "mode"> & { mode: Mode },
  settings: RunDeps["settings"],
): Omit<SandboxState["docker"], "mode"> & { mode: Mode } {
  const { mode, reason, install, seccomp, network, limits } = report;
  return {
    mode,
    reason,
    install,
    seccomp,
    network,
    full_network: fullNetworkOf(report, settings),
    restricted_network: report.restrictedNetwork,
    enforcement: limits,
  };
}
