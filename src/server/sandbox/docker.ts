/** Commands in containers, where a Docker engine answers. */
import { hostname } from "node:os";
import type { Readings } from "./run-group.js";
import { assertHolds, assertInput } from "./input.js";
import { dockerApi, DockerError, type DockerApi } from "./docker-api.js";
import { follow } from "./follow.js";
import { descendantsOf, isAlive, nameFor, ownerOf, readProcess } from "./processes.js";
import {
  SandboxRefusal,
  WORKSPACE,
  type LimitReport,
  type Sandbox,
  type SandboxedProcess,
  type SandboxInput,
  type SandboxReport,
} from "./sandbox.js";

export interface DockerSettings {
  dockerSocket: string;
  dockerImage: string;
  agentUid: number;
}

/** As `Sandbox`, in containers. */
export interface DockerSandbox extends Omit<Sandbox, "report"> {
  readonly report: Omit<SandboxReport, "mode"> & { mode: "docker" | "unavailable" };
}

/** What containers carry: which server's they are, and on which machine that ran. */
const SERVER = "omoi.server";
const HOST = "omoi.host";
const HOME = "/home/agent";

/** Asks the engine what it can hold containers to. Never rejects: without one, runs are refused. */
export async function openDocker(settings: DockerSettings): Promise<DockerSandbox> {
  const api = dockerApi(settings.dockerSocket);
  const self = readProcess(process.pid);
  const name = self === null ? "" : nameFor(self);
  const isRoot = process.getuid?.() === 0;
  const uid = isRoot ? settings.agentUid : (process.getuid?.() ?? 0);
  const report = await look(api, settings, uid);
  const running = new Set<SandboxedProcess>();
  return {
    report,
    async start(input) {
      assertInput(input);
      if (report.mode === "unavailable") throw new SandboxRefusal(`${report.reason}.`);
      assertHolds(report, input);
      const started = await startContainer(api, {
        input,
        name,
        uid: input.uid ?? uid,
        image: settings.dockerImage,
      });
      running.add(started);
      const forget = (): unknown => running.delete(started);
      started.done.then(forget, forget);
      return started;
    },
    async cleanUp() {
      if (report.mode === "unavailable") return;
      const filters = encodeURIComponent(JSON.stringify({ label: [`${HOST}=${hostname()}`] }));
      const listing = api.call("GET", `/containers/json?all=1&filters=${filters}`);
      // An engine that went away is looked at again by the next start.
      const found = (await listing.catch(() => [])) as {
        Id: string;
        Labels: Record<string, string>;
      }[];
      for (const container of found) {
        const server = ownerOf(container.Labels[SERVER] ?? "");
        if (server !== null && !isAlive(server)) await remove(api, container.Id);
      }
    },
    async close() {
      for (const started of running) started.stop(0);
      await Promise.allSettled([...running].map((started) => started.done));
    },
  };
}

interface EngineInfo {
  MemoryLimit: boolean;
  PidsLimit: boolean;
  CpuCfsQuota: boolean;
  SecurityOptions: string[] | null;
}

async function look(
  api: DockerApi,
  { dockerSocket, dockerImage }: DockerSettings,
  uid: number,
): Promise<DockerSandbox["report"]> {
  const none = { enforced: false, by: null };
  const refused = (reason: string, install: string | null): DockerSandbox["report"] => ({
    mode: "unavailable",
    reason,
    install,
    uid: null,
    seccomp: false,
    network: false,
    fullNetwork: { isolated: false, reason, install },
    limits: { memory: none, processes: none, cpu: none, output: none, disk: none },
  });
  let info: EngineInfo;
  try {
    info = (await api.call("GET", "/info")) as EngineInfo;
  } catch {
    return refused(`No Docker engine answers at ${dockerSocket}`, null);
  }
  try {
    await api.call("GET", `/images/${encodeURIComponent(dockerImage)}/json`);
  } catch {
    const reason = `The Docker engine has no image ${dockerImage}`;
    return refused(reason, `docker pull ${dockerImage}`);
  }
  const held = (enforced: boolean): LimitReport => ({ enforced, by: enforced ? "Docker" : null });
  if (!info.MemoryLimit || !info.PidsLimit) {
    return refused("The Docker engine cannot limit memory or processes here", null);
  }
  return {
    mode: "docker",
    reason: null,
    install: null,
    uid,
    seccomp: (info.SecurityOptions ?? []).some((option) => option.startsWith("name=seccomp")),
    network: true,
    fullNetwork: { isolated: true, reason: null, install: null },
    limits: {
      memory: held(true),
      processes: held(true),
      cpu: held(info.CpuCfsQuota),
      output: { enforced: true, by: "the server, which stops what writes too much" },
      disk: { enforced: true, by: "a watch, and resource limits for each file" },
    },
  };
}

async function startContainer(
  api: DockerApi,
  run: { input: SandboxInput; name: string; uid: number; image: string },
): Promise<SandboxedProcess> {
  const { input } = run;
  let id: string;
  try {
    const created = await api.call(
      "POST",
      `/containers/create?name=omoi-${input.id}`,
      container(run),
    );
    ({ Id: id } = created as { Id: string });
  } catch (error) {
    throw new SandboxRefusal(`The container could not be made: ${(error as Error).message}`);
  }
  const at = `/containers/${id}`;
  const signal = (name: string): void => {
    // It may have ended.
    api.call("POST", `${at}/kill?signal=${name}`).catch(() => undefined);
  };
  try {
    const { stdout, stderr } = await api.attach(id);
    let state: ContainerState | null = null;
    // Asked before it starts: its end cannot be missed.
    const waiting = api.call("POST", `${at}/wait?condition=next-exit`);
    const ended = waiting.then(
      async (answer) => {
        state = await inspect(api, id).catch(() => null);
        return (answer as { StatusCode: number }).StatusCode;
      },
      // The engine went away: nothing is known of it any more.
      () => null,
    );
    const problem = await api.call("POST", `${at}/start`).then(
      () => null,
      (error: unknown) => error as Error,
    );
    if (problem !== null) {
      stdout.destroy();
      stderr.destroy();
      await remove(api, id);
      if (!(problem instanceof DockerError)) throw problem;
      return neverStarted(problem.message);
    }
    const { Pid: pid } = await inspect(api, id);
    return follow(input, {
      pid,
      ended,
      terminate: () => signal("SIGTERM"),
      pids: () => [pid, ...descendantsOf(pid).map((process) => process.pid)],
      killAll: () => signal("SIGKILL"),
      // The engine tells of the end when the container's last process is gone.
      gone: async () => undefined,
      stdout,
      stderr,
      readings: () => readingsOf(state),
      release: () => remove(api, id),
      watch: null,
    });
  } catch (error) {
    await remove(api, id);
    if (error instanceof SandboxRefusal) throw error;
    throw new SandboxRefusal(`The container could not be started: ${(error as Error).message}`);
  }
}

interface ContainerState {
  Pid: number;
  OOMKilled: boolean;
}

async function inspect(api: DockerApi, id: string): Promise<ContainerState> {
  return ((await api.call("GET", `/containers/${id}/json`)) as { State: ContainerState }).State;
}

function readingsOf(state: ContainerState | null): Readings {
  return {
    oomKills: state?.OOMKilled === true ? 1 : 0,
    refusedForks: 0,
    throttled: null,
    cpuSeconds: null,
    peakMemoryBytes: null,
  };
}

async function remove(api: DockerApi, id: string): Promise<void> {
  await api.call("DELETE", `/containers/${id}?force=1&v=1`).catch((error: unknown) => {
    const isGone = error instanceof DockerError && [404, 409].includes(error.status);
    // Without an engine the next clean-up finds it.
    if (!isGone && error instanceof DockerError) throw error;
  });
}

/** A command whose program is not in the image, or cannot be run. */
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
  return { pid: 0, stop: () => undefined, readings: () => null, done };
}

/** What the engine is asked to make (ContainerCreate): nothing of the machine but the workspace. */
function container(run: {
  input: SandboxInput;
  name: string;
  uid: number;
  image: string;
}): unknown {
  const { input, name, uid, image } = run;
  const { memoryBytes, processes, cpus, diskBytes, openFiles = 65_536 } = input.limits;
  const share = (part: number): number => Math.floor(memoryBytes * part);
  const tmpfs = (size: number, mode: string): string =>
    `rw,nosuid,nodev,exec,size=${size},mode=${mode},uid=${uid},gid=${uid}`;
  const limit = (Name: string, value: number): unknown => ({ Name, Soft: value, Hard: value });
  const variables = { HOME, LANG: "C.UTF-8", TMPDIR: "/tmp", TERM: "dumb", ...input.env };
  return {
    Image: image,
    Entrypoint: [],
    Cmd: input.command,
    Env: Object.entries(variables).map(([variable, value]) => `${variable}=${value}`),
    User: `${uid}:${uid}`,
    WorkingDir: WORKSPACE,
    Hostname: "omoi",
    Labels: { [SERVER]: name, [HOST]: hostname() },
    AttachStdin: false,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
    OpenStdin: false,
    HostConfig: {
      Init: true,
      Mounts: [
        {
          Type: "bind",
          Source: input.folder,
          Target: WORKSPACE,
          BindOptions: { Propagation: "rprivate" },
        },
      ],
      ReadonlyRootfs: true,
      Tmpfs: {
        "/tmp": tmpfs(share(1 / 2), "1777"),
        [HOME]: tmpfs(share(1 / 4), "0700"),
        "/run": tmpfs(share(1 / 16), "0755"),
      },
      ShmSize: share(1 / 8),
      NetworkMode: input.network === "full" ? "bridge" : "none",
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      Privileged: false,
      IpcMode: "private",
      CgroupnsMode: "private",
      Memory: memoryBytes,
      MemorySwap: memoryBytes,
      PidsLimit: processes,
      ...(cpus === null ? {} : { NanoCpus: Math.round(cpus * 1e9) }),
      Ulimits: [
        limit("core", 0),
        limit("nofile", openFiles),
        ...(diskBytes === null ? [] : [limit("fsize", diskBytes)]),
      ],
      OomScoreAdj: 500,
      // Output goes to who is attached; the engine keeps none of it.
      LogConfig: { Type: "none" },
      RestartPolicy: { Name: "no" },
    },
  };
}
