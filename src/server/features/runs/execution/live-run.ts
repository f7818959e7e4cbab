import type { Logger } from "pino";
import type { SandboxedProcess } from "#sandbox/sandbox.js";
import type { RunCommits } from "../../workspaces/index.js";
import type { Conversation } from "../sessions/conversation.js";
import type { Masker } from "../logs/mask-secrets.js";
import type { LogWriter } from "../logs/log-writer.js";
import type { ResultCollector } from "../presets/collect-result.js";
import type { ManagedRun } from "../managed-runs.queries.js";
import type { Ending } from "./outcome.js";

/** A run of this process, from its launch until its end is recorded. */
export interface LiveRun {
  run: ManagedRun;
  logger: Logger;
  log: LogWriter | null;
  masker: Masker;
  /** Null without a preset that reads one. */
  result: ResultCollector | null;
  process: SandboxedProcess | null;
  /** Null without a session. */
  conversation: Conversation | null;
  /** Its repository; null without one. */
  commits: RunCommits | null;
  ending: Ending | null;
  graceMs: number;
  timer: NodeJS.Timeout | null;
  done: Promise<void>;
}

/** Grace period of a run that exceeded its time or hours. */
export const shortGraceMs = 2000;

/** Requests a run's end; the first reason wins. */
export function requestEnd(liveRun: LiveRun, ending: Ending, graceMs: number): void {
  if (liveRun.ending) return;
  liveRun.ending = ending;
  liveRun.graceMs = graceMs;
  stopProcess(liveRun);
}

/** Ends a run without a grace period, also if its end was requested before. */
export function endAtOnce(liveRun: LiveRun, ending: Ending): void {
  liveRun.ending ??= ending;
  liveRun.graceMs = 0;
  stopProcess(liveRun);
}

/** Stops a run's process. Timers and the change feed call this, so one run's error must not propagate. */
export function stopProcess({ run, logger, process, graceMs }: LiveRun): void {
  try {
    process?.stop(graceMs);
  } catch (error) {
    logger.error({ err: error, run: run.id }, "cannot stop a run");
  }
}
