/**
 * Durations and outcomes that the server measures of its own work. The measured code publishes; metrics and
 * traces subscribe. Publishing is nearly free while nobody subscribes. No measurement names a tenant.
 */
import { channel } from "node:diagnostics_channel";
import type { Merge, MergeStrategy } from "../api/merges.js";

interface Timed {
  /** How long it took. */
  seconds: number;
}

/** One git process that ended. */
export interface GitCommand extends Timed {
  /** git's subcommand, such as `merge-tree`. */
  command: string;
  succeeded: boolean;
}

interface MergeMeasurement extends Timed {
  status: Merge["status"] | "rejected" | "failed";
  strategy: MergeStrategy | "unknown";
}

interface Measurements {
  gitCommand: GitCommand;
  merge: MergeMeasurement;
  /** A commit of a workspace's files. */
  checkpoint: Timed;
  /** A run that started; `waited` in the queue of its organization, null for one that started at once. */
  runStarted: { waitedSeconds: number | null };
}
type Name = keyof Measurements;

/** Held here, since channels without a reference are collected. */
const channels = {
  gitCommand: channel("omoi:git-command"),
  merge: channel("omoi:merge"),
  checkpoint: channel("omoi:checkpoint"),
  runStarted: channel("omoi:run-started"),
} satisfies Record<Name, unknown>;

/** Hands a measurement to those who subscribed. */
export function publish<N extends Name>(name: N, measurement: Measurements[N]): void {
  channels[name].publish(measurement);
}

/** Calls `listener` with every measurement of a kind until the returned function is called. */
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
