import type { Agent } from "#shared/api/agents.js";
import type { SandboxState } from "#shared/api/sandbox.js";
import { lazy } from "../../hooks/lazy.js";

/** What commands of one kind of workspace are held to, and by what. */
export type Isolation = Omit<SandboxState["docker"], "mode"> & {
  mode: SandboxState["mode"] | SandboxState["docker"]["mode"];
  limits: SandboxState["limits"];
};

export function isolationOf(state: SandboxState, type: Agent["workspace_type"]): Isolation {
  return type === "docker" ? { ...state.docker, limits: state.limits } : state;
}

const list = lazy(() => new Intl.ListFormat("en", { type: "conjunction" }));

/** The limits that are set and cannot be held on this machine, such as "memory and CPU"; else empty. */
export function unheldLimits({ mode, enforcement, limits }: Isolation): string {
  if (mode === "unavailable") return "";
  const set = {
    memory: true,
    processes: true,
    CPU: limits.cpus !== null,
    disk: limits.disk_bytes !== null,
  };
  const isHeld = { ...enforcement, CPU: enforcement.cpu };
  const names = (Object.keys(set) as (keyof typeof set)[]).filter(
    (name) => set[name] && !isHeld[name].enforced,
  );
  return list().format(names);
}

/** Why no command can be run; undefined where one can. */
export function whyNoCommand(isolation: Isolation): string | undefined {
  if (isolation.mode === "unavailable") {
    return "This server cannot isolate commands; see Sandbox and limits.";
  }
  const unheld = isolation.mode === "off" ? "" : unheldLimits(isolation);
  return unheld === ""
    ? undefined
    : `The limits of ${unheld} cannot be held here; see Sandbox and limits.`;
}
