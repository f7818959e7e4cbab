import type { SandboxedProcess } from "./sandbox.js";

/** The processes of a sandbox that have not exited. */
export class RunningProcesses {
  readonly #running = new Set<SandboxedProcess>();

  add(started: SandboxedProcess): void {
    this.#running.add(started);
    const remove = (): unknown => this.#running.delete(started);
    started.done.then(remove, remove);
  }

  /** Stops every process without a grace period. Resolves when all have exited. */
  async stopAll(): Promise<void> {
    for (const started of this.#running) started.stop(0);
    await Promise.allSettled([...this.#running].map(({ done }) => done));
  }
}
