/** Sandboxes by containers of a Docker engine. */
import { hostname } from "node:os";
import { assertEnforceable, assertInput } from "../input.js";
import { dockerApi, DockerError, type AttachedStreams, type DockerApi } from "./docker-api.js";
import {
  containerNetworks,
  writeResolver,
  type ContainerNetwork,
  type ContainerNetworks,
} from "./container-network.js";
import {
  containerOf,
  HOST,
  SERVER,
  waitsForNetwork,
  type ContainerRun,
  seesWorkspace,
} from "./docker-container.js";
import { watchUsage } from "./docker-usage.js";
import { trackProcess } from "../bubblewrap/sandboxed-process.js";
import { RunningProcesses } from "../launch.js";
import { descendantsOf, isAlive, resourceName, ownerOf, readProcess } from "../processes.js";
import {
  SandboxRefusal,
  type LimitReport,
  type Sandbox,
  type SandboxedProcess,
  type SandboxInput,
  type SandboxReport,
  unavailableReport,
  WORKSPACE,
} from "../sandbox.js";

export interface DockerSettings {
  dataDir: string;
  dockerSocket: string;
  dockerImage: string;
  agentUid: number;
  /** The user of the network processes. */
  networkUid: number;
}

/** Same as `Sandbox`, with containers. */
export interface DockerSandbox extends Omit<Sandbox, "report"> {
  readonly report: Omit<SandboxReport, "mode"> & { mode: "docker" | "unavailable" };
}

/** Asks the engine which limits it enforces. Never rejects: without an engine, runs are refused. */
export async function openDocker(settings: DockerSettings): Promise<DockerSandbox> {
  const api = dockerApi(settings.dockerSocket);
  const self = readProcess(process.pid);
  const name = self === null ? "" : resourceName(self, settings.dataDir);
  const isRoot = process.getuid?.() === 0;
  const uid = isRoot ? settings.agentUid : (process.getuid?.() ?? 0);
  const networks = containerNetworks(api, settings.networkUid);
  const report = await inspectEngine(api, settings, uid, networks);
  const engine: Engine = { api, networks, limitsOpenFiles: true };
  const running = new RunningProcesses();
  return {
    report,
    async start(input) {
      assertInput(input);
      if (report.mode === "unavailable") throw new SandboxRefusal(`${report.reason}.`);
      assertEnforceable(report, input);
      const started = await startContainer(engine, {
        input,
        name,
        uid: input.uid ?? uid,
        image: settings.dockerImage,
        resolver: input.network === "full" ? writeResolver(settings.dataDir) : null,
      });
      running.add(started);
      return started;
    },
    async cleanUp() {
      if (report.mode === "unavailable") return;
      const filters = encodeURIComponent(JSON.stringify({ label: [`${HOST}=${hostname()}`] }));
      const listing = api.call("GET", `/containers/json?all=1&filters=${filters}`);
      // The next start retries a missing engine.
      const found = (await listing.catch(() => [])) as {
        Id: string;
        Labels: Record<string, string>;
      }[];
      for (const container of found) {
        const server = ownerOf(container.Labels[SERVER] ?? "", settings.dataDir);
        if (server !== null && !isAlive(server)) await remove(api, container.Id);
      }
    },
    async close() {
      await running.stopAll();
    },
  };
}

interface EngineInfo {
  MemoryLimit: boolean;
  PidsLimit: boolean;
  CpuCfsQuota: boolean;
  SecurityOptions: string[] | null;
}

async function inspectEngine(
  api: DockerApi,
  { dockerSocket, dockerImage }: DockerSettings,
  uid: number,
  networks: ContainerNetworks,
): Promise<DockerSandbox["report"]> {
  let info: EngineInfo;
  try {
    info = (await api.call("GET", "/info")) as EngineInfo;
  } catch {
    return unavailableReport(`No Docker engine answers at ${dockerSocket}`, null);
  }
  try {
    await api.call("GET", `/images/${encodeURIComponent(dockerImage)}/json`);
  } catch {
    const reason = `The Docker engine has no image ${dockerImage}`;
    return unavailableReport(reason, `docker pull ${dockerImage}`);
  }
  const limitReport = (enforced: boolean): LimitReport => ({
    enforced,
    by: enforced ? "Docker" : null,
  });
  if (!info.MemoryLimit || !info.PidsLimit) {
    return unavailableReport("The Docker engine cannot limit memory or processes here", null);
  }
  return {
    mode: "docker",
    reason: null,
    install: null,
    uid,
    seccomp: (info.SecurityOptions ?? []).some((option) => option.startsWith("name=seccomp")),
    network: true,
    ...(await networks.support()),
    limits: {
      memory: limitReport(true),
      processes: limitReport(true),
      cpu: limitReport(info.CpuCfsQuota),
      output: { enforced: true, by: "the server, which stops commands that write too much" },
      disk: { enforced: true, by: "a monitor, and resource limits per file" },
    },
  };
}

/** An engine and its discovered properties. */
interface Engine {
  api: DockerApi;
  networks: ContainerNetworks;
  /**
   * Whether it accepts a limit of open files; false once it refused one above its own hard limit.
   */
  limitsOpenFiles: boolean;
}

/** @throws SandboxRefusal if the engine cannot create the container with the workspace in it */
async function startContainer(engine: Engine, run: ContainerRun): Promise<SandboxedProcess> {
  const { api } = engine;
  let id: string;
  try {
    const created = await api.call(
      "POST",
      `/containers/create?name=omoi-${run.input.id}`,
      containerOf(run, engine.limitsOpenFiles),
    );
    ({ Id: id } = created as { Id: string });
  } catch (error) {
    throw new SandboxRefusal(`The container could not be created: ${(error as Error).message}`);
  }
  try {
    if (!(await seesWorkspace(api, id, run.input.folder))) {
      throw new SandboxRefusal(
        "The Docker engine does not see the workspace's folder: Omoi runs in another mount namespace. Mount OMOI_DATA_DIR at the same path on the engine's machine, and set OMOI_FOLDER_DRIVER=checkout.",
      );
    }
    const started = await attachAndStart(engine, id, run.input);
    if (!(started instanceof DockerError)) return started;
    await remove(api, id);
    if (!engine.limitsOpenFiles || !/rlimit/i.test(started.message)) {
      return neverStarted(started.message);
    }
  } catch (error) {
    await remove(api, id);
    if (error instanceof SandboxRefusal) throw error;
    throw new SandboxRefusal(`The container could not be started: ${(error as Error).message}`);
  }
  engine.limitsOpenFiles = false;
  return startContainer(engine, run);
}

/** Starts a created container; returns the error if the engine refuses. */
async function attachAndStart(
  { api, networks }: Pick<Engine, "api" | "networks">,
  id: string,
  input: SandboxInput,
): Promise<SandboxedProcess | DockerError> {
  const at = `/containers/${id}`;
  const signal = (name: string): void => {
    // It may have ended.
    api.call("POST", `${at}/kill?signal=${name}`).catch(() => undefined);
  };
  let state: ContainerState | null = null;
  let ended: Promise<number | null>;
  let output: AttachedStreams | undefined;
  try {
    // Podman sets up the container at this point, and may refuse.
    output = await api.attach(id);
    // Registered before the start, so that the exit is not missed.
    ended = api.call("POST", `${at}/wait?condition=next-exit`).then(
      async (answer) => {
        state = await inspect(api, id).catch(() => null);
        return (answer as { StatusCode: number }).StatusCode;
      },
      // The engine is gone: the outcome is unknown.
      () => null,
    );
    await api.call("POST", `${at}/start`);
  } catch (error) {
    output?.stdin.destroy();
    if (error instanceof DockerError) return error;
    throw error;
  }
  const { Pid: pid } = await inspect(api, id);
  let network: ContainerNetwork | undefined;
  if (waitsForNetwork(input)) {
    // After an error, the caller removes the container.
    network = await networks.open(id, pid, input);
    output.stdin.write("\n");
  }
  const usage = watchUsage(api, id);
  return trackProcess(input, {
    pid,
    workspace: WORKSPACE,
    ended: ended.finally(() => usage.stop()),
    terminate: () => signal("SIGTERM"),
    pids: () => [pid, ...descendantsOf(pid).map((process) => process.pid)],
    killAll: () => signal("SIGKILL"),
    // The engine reports the end after the container's last process.
    gone: async () => undefined,
    stdout: output.stdout,
    stderr: output.stderr,
    stdin: input.hasInput === true ? output.stdin : null,
    readings: () => ({ ...usage.readings(), oomKills: state?.OOMKilled === true ? 1 : 0 }),
    release: async () => {
      await network?.close();
      await remove(api, id);
    },
    watch: null,
  });
}

interface ContainerState {
  Pid: number;
  OOMKilled: boolean;
}

async function inspect(api: DockerApi, id: string): Promise<ContainerState> {
  return ((await api.call("GET", `/containers/${id}/json`)) as { State: ContainerState }).State;
}

async function remove(api: DockerApi, id: string): Promise<void> {
  await api.call("DELETE", `/containers/${id}?force=1&v=1`).catch((error: unknown) => {
    const isGone = error instanceof DockerError && [404, 409].includes(error.status);
    // Without an engine, the next clean-up removes it.
    if (!isGone && error instanceof DockerError) throw error;
  });
}

/** A command whose program is missing from the image, or not executable. */
function neverStarted(detail: string): SandboxedProcess {
  const done = Promise.resolve({
    exitCode: 127,
    signal: null,
    reason: "start_failed" as const,
    detail,
    cpuSeconds: null,
    peakMemoryBytes: null,
    throttled: null,
  });
  return {
    pid: 0,
    workspace: WORKSPACE,
    input: null,
    stop: () => undefined,
    readings: () => null,
    ended: done,
    done,
  };
}
