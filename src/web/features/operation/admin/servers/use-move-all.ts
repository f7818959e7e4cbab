import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import type { NodeProject } from "#shared/api/operation/nodes.js";
import { ApiError, asApiError, client, everyPage } from "../../../../api/client.js";
import { adminKey, isUnfinished } from "../../../../api/queries/operation/admin.js";

/** The outcome for each project of the server. */
export interface MoveAllReport {
  isRunning: boolean;
  isStopped: boolean;
  /** Number of projects; null while they are listed. */
  total: number | null;
  started: number;
  /** Names of projects that have runs in progress, and of those that were moving before. */
  running: readonly string[];
  moving: readonly string[];
  /** Number of projects that were deleted or moved since they were listed. */
  gone: number;
  /** Why it ended early. */
  error: string | null;
}

const nothing: MoveAllReport = {
  isRunning: true,
  isStopped: false,
  total: null,
  started: 0,
  running: [],
  moving: [],
  gone: 0,
  error: null,
};

/** Starts moves of all projects of a server, one call after another. What has started goes on without the page. */
export function useMoveAll(nodeId: string): {
  report: MoveAllReport | null;
  start: (target: string) => void;
  stop: () => void;
  reset: () => void;
} {
  const queries = useQueryClient();
  const [report, setReport] = useState<MoveAllReport | null>(null);
  const stopped = useRef<AbortController>(undefined);
  const stop = (): void => stopped.current?.abort();
  useEffect(() => () => stopped.current?.abort(), []);

  const startAll = async (target: string, signal: AbortSignal): Promise<void> => {
    let now = nothing;
    const show = (change: Partial<MoveAllReport>): void => {
      now = { ...now, ...change };
      // Another one may have begun, or the dialog was closed, while a call was under way.
      if (stopped.current?.signal === signal) setReport(now);
    };
    const refresh = (): Promise<void> => queries.invalidateQueries({ queryKey: adminKey });
    show({});
    try {
      const params = { node_id: nodeId };
      const all = await everyPage((query) => client.nodes.projects({ params, query }, { signal }));
      const moving = all.filter(({ move }) => move !== null && isUnfinished(move));
      show({ total: all.length, moving: moving.map(({ name }) => name) });
      for (const project of all) {
        if (moving.includes(project)) continue;
        signal.throwIfAborted();
        show(await outcomeOf(project, target, now));
        if (now.started === 1) void refresh();
      }
    } catch (error) {
      if (!signal.aborted) show({ error: asApiError(error).message });
    }
    show({ isRunning: false, isStopped: signal.aborted });
    await refresh();
  };
  return {
    report,
    start: (target) => {
      stop();
      stopped.current = new AbortController();
      void startAll(target, stopped.current.signal);
    },
    stop,
    reset: () => {
      stop();
      stopped.current = undefined;
      setReport(null);
    },
  };
}

/** Starts the move of a project. @throws ApiError that concerns other projects, too */
async function outcomeOf(
  { id, name }: NodeProject,
  node: string,
  now: MoveAllReport,
): Promise<Partial<MoveAllReport>> {
  try {
    await client.projectMoves.start({ params: { project_id: id }, body: { node } });
    return { started: now.started + 1 };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === "run_in_progress") return { running: [...now.running, name] };
    if (error.code === "project_moving") return { moving: [...now.moving, name] };
    const hasMoved = error.field("node")?.includes("already stores the project") === true;
    if (error.status === 404 || hasMoved) return { gone: now.gone + 1 };
    throw error;
  }
}
