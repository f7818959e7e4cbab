/**
 * Internal measurements of durations and outcomes. Measured code publishes; metrics and traces
 * subscribe. Publishing without subscribers is nearly free. No measurement names a tenant.
 */
import { channel } from "node:diagnostics_channel";
import type { Merge, MergeStrategy } from "../api/code/merges.js";

interface Timed {
  /** Duration in seconds. */
  seconds: number;
}

/** A finished git process. */
export interface GitCommand extends Timed {
  /** git's subcommand, such as `merge-tree`. */
  command: string;
  succeeded: boolean;
}

interface MergeMeasurement extends Timed {
  status: Merge["status"] | "rejected" | "failed";
  strategy: MergeStrategy | "unknown";
}

/** A call of a run to a model, with its tokens by kind. */
interface ModelCall {
  provider: string;
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
}

/**
 * A part of a run: in the queue, the preparation of its workspace, the start of the sandbox, its command until no process
 * is left, and the commit of its changes.
 */
export interface RunPhase {
  name: "queued" | "prepare" | "start" | "command" | "commit";
  from: Date;
  to: Date;
}

interface Measurements {
  gitCommand: GitCommand;
  merge: MergeMeasurement;
  /** A commit of a workspace's files. */
  checkpoint: Timed;
  /** A started run; `waitedSeconds` in the queue, null if it started at once. */
  runStarted: { waitedSeconds: number | null };
  /** A run that has ended, with its phases in their order. */
  run: { kind: string; status: string; phases: readonly RunPhase[] };
  modelCall: ModelCall;
  /** Connections of a run that the egress proxy denied. */
  egressDenied: { connections: number };
}
type Name = keyof Measurements;

/** Referenced here, since unreferenced channels are garbage-collected. */
const channels = {
  gitCommand: channel("omoi:git-command"),
  merge: channel("omoi:merge"),
  checkpoint: channel("omoi:checkpoint"),
  runStarted: channel("omoi:run-started"),
  run: channel("omoi:run"),
  modelCall: channel("omoi:model-call"),
  egressDenied: channel("omoi:egress-denied"),
} satisfies Record<Name, unknown>;

/** Publishes a measurement to the subscribers. */
export function publish<N extends Name>(name: N, measurement: Measurements[N]): void {
  channels[name].publish(measurement);
}

/** Calls `listener` with every measurement of a kind. Returns the function that unsubscribes. */
export function subscribe<N extends Name>(
  name: N,
  listener: (measurement: Measurements[N]) => void,
): () => void {
  const onMessage = (message: unknown): void => listener(message as Measurements[N]);
  channels[name].subscribe(onMessage);
  return () => {
    channels[name].unsubscribe(onMessage);
  };
}

/** Seconds since `start`, a value of `performance.now()`. */
export function secondsSince(start: number): number {
  return (performance.now() - start) / 1000;
}
