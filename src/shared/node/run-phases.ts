import { publish, type RunPhase } from "./measurements.js";

/** Measures the phases of a run, which follow each other without a gap. */
export interface RunPhases {
  /** Ends the current phase and begins another one. */
  readonly enter: (name: RunPhase["name"]) => void;
  /** Ends the current phase and publishes all of them. */
  end(status: string): void;
}

/**
 * Begins the phase `prepare` of a run.
 * @param waitedSeconds in the queue; null if it was not queued
 */
export function measureRun(kind: string, waitedSeconds: number | null): RunPhases {
  const phases: RunPhase[] = [];
  let name: RunPhase["name"] = "prepare";
  let from = new Date();
  if (waitedSeconds !== null) {
    const queuedAt = new Date(from.getTime() - waitedSeconds * 1000);
    phases.push({ name: "queued", from: queuedAt, to: from });
  }
  const close = (): void => {
    const to = new Date();
    phases.push({ name, from, to });
    from = to;
  };
  return {
    enter: (next) => {
      close();
      name = next;
    },
    end: (status) => {
      close();
      publish("run", { kind, status, phases });
    },
  };
}
