/** The places in which a managed run may take place: sandboxes of the server, and container engines. */
import { describe } from "vitest";
import { engineImage, engineUnavailableReason, startRealEngine } from "./real-engines.js";

/** Where the runs of a test app take place. */
export interface RunPlace {
  settings: Record<string, string>;
  /** The type of workspaces. */
  type: "local" | "docker";
  /** The mode in the report of the sandbox. */
  mode: "bubblewrap" | "gvisor" | "docker";
  close(): Promise<void>;
}

/** Returns a place in a sandbox of the server. */
export const inSandbox = (setting: "required" | "gvisor") => async (): Promise<RunPlace> => ({
  settings: { OMOI_SANDBOX: setting },
  type: "local",
  mode: setting === "gvisor" ? "gvisor" : "bubblewrap",
  close: async () => {},
});

/** Describes a suite for each container engine; skips those that cannot be started here. */
export function describeEachEngine(
  title: string,
  suite: (open: () => Promise<RunPlace>) => void,
): void {
  for (const name of ["docker", "podman"] as const) {
    const reason = engineUnavailableReason(name);
    const titled = `${title}, by ${name}${reason === null ? "" : ` (${reason})`}`;
    describe.skipIf(reason !== null)(titled, () =>
      suite(async () => {
        const engine = await startRealEngine(name);
        return {
          settings: { OMOI_DOCKER_SOCKET: engine.socket, OMOI_DOCKER_IMAGE: engineImage },
          type: "docker",
          mode: "docker",
          close: () => engine.close(),
        };
      }),
    );
  }
}
