/**
 * The sandbox of a run in a Kubernetes pod: the container beside that of the runner. The pod's own settings confine it
 * (docs/how-to/kubernetes.md): its network policy, its resources, its user without privileges.
 */
import { assertInput, isolationProblem } from "../input.js";
import {
  HOME,
  SandboxRefusal,
  WORKSPACE,
  type NetworkSupport,
  type Sandbox,
  type SandboxedProcess,
  type SandboxInput,
} from "../sandbox.js";
import type { AgentConnection } from "./agent-connection.js";
import { CONTAINER_ENDED } from "./pod-exit.js";
import { startInPod, type PodTimeouts } from "./pod-process.js";

export interface PodSandbox extends Pick<Sandbox, "start"> {
  readonly report: {
    mode: "pod";
    /** That of both containers. */
    uid: number | null;
    fullNetwork: NetworkSupport;
    restrictedNetwork: NetworkSupport;
  };
}

/** Commands at once: that of the run, and scripts beside it. */
const MAX_COMMANDS = 8;
const TIMEOUTS: PodTimeouts = { startMs: 60_000, endMs: 30_000 };

/** @param hasProxy whether a restricted network has a proxy */
export function openPodSandbox(
  agent: AgentConnection,
  hasProxy: boolean,
  timeouts: PodTimeouts = TIMEOUTS,
): PodSandbox {
  const isolated: NetworkSupport = { isolated: true, reason: null, install: null };
  const report: PodSandbox["report"] = {
    mode: "pod",
    uid: process.getuid?.() ?? null,
    fullNetwork: isolated,
    restrictedNetwork: hasProxy
      ? isolated
      : {
          isolated: false,
          reason: "The cluster has no proxy for restricted networks",
          install: null,
        },
  };
  let running = 0;
  return {
    report,
    start: async (input) => {
      assertInput(input);
      assertPlaces(input);
      const problem = isolationProblem(report, input);
      if (problem !== null) throw new SandboxRefusal(problem);
      if (agent.isLost) return endedProcess();
      if (running >= MAX_COMMANDS) throw new SandboxRefusal("Too many commands run in the pod.");
      running += 1;
      const started = startInPod(agent, input, timeouts);
      const end = (): void => void (running -= 1);
      started.done.then(end, end);
      return started;
    },
  };
}

/** The volumes of the pod have fixed places in both containers. */
function assertPlaces({ folder, home, readOnly = [] }: SandboxInput): void {
  const isElsewhere =
    folder !== WORKSPACE ||
    (home !== null && home !== HOME) ||
    readOnly.some(({ source, path }) => source !== path);
  if (isElsewhere) throw new TypeError("a folder is not on a volume of the pod");
}

function endedProcess(): SandboxedProcess {
  return {
    pid: 0,
    workspace: WORKSPACE,
    input: null,
    stop: () => undefined,
    readings: () => null,
    ended: Promise.resolve(),
    done: Promise.resolve({
      exitCode: null,
      signal: null,
      reason: "container",
      detail: CONTAINER_ENDED,
      cpuSeconds: null,
      peakMemoryBytes: null,
      throttled: null,
    }),
  };
}
