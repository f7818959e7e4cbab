import type { Agent } from "#shared/api/work/agents.js";
import type { SandboxState } from "#shared/api/execution/sandbox.js";
import { lazy } from "../../../../hooks/lazy.js";

/** Isolation mode and limits of commands in one type of workspace. */
export type Isolation = Omit<SandboxState["docker"], "mode"> & {
  mode: SandboxState["mode"] | SandboxState["docker"]["mode"];
  limits: SandboxState["limits"];
};

export function isolationOf(state: SandboxState, type: Agent["workspace_type"]): Isolation {
  return type === "docker" ? { ...state.docker, limits: state.limits } : state;
}

const list = lazy(() => new Intl.ListFormat("en", { type: "conjunction" }));

/** Returns the configured limits that this machine cannot enforce, such as "memory and CPU"; else "". */
export function unenforcedLimits({ mode, enforcement, limits }: Isolation): string {
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

/** Returns why no command can run; undefined if one can. */
export function commandDisabledReason(isolation: Isolation): string | undefined {
  if (isolation.mode === "unavailable") {
    return "This server cannot isolate commands; see Sandbox and limits.";
  }
  const unenforced = isolation.mode === "off" ? "" : unenforcedLimits(isolation);
  return unenforced === ""
    ? undefined
    : `The limits of ${unenforced} cannot be enforced here; see Sandbox and limits.`;
}
