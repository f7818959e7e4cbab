/** The container of one run. */
import { hostname } from "node:os";
import { HOME, WORKSPACE, type SandboxInput } from "../sandbox.js";
import { randomInt } from "node:crypto";
import { stat, utimes } from "node:fs/promises";
import type { DockerApi } from "./docker-api.js";

export interface ContainerRun {
  input: SandboxInput;
  /** Names this server, so that others can detect whether it is gone. */
  name: string;
  uid: number;
  image: string;
  /** The path of its resolv.conf(5); null for the engine's. */
  resolver: string | null;
}

/**
 * Waits for a line before it becomes the command in its arguments, so that the server can open the
 * network of the container first. If the server dies before, the command never starts.
 */
const wait = (hasInput: boolean): string[] => [
  "/bin/sh",
  "-c",
  `read -r _ && exec "$@"${hasInput ? "" : " < /dev/null"}`,
  "sh",
];

/** Whether the container waits for a line. */
export function waitsForNetwork({ network }: Pick<SandboxInput, "network">): boolean {
  return network !== "none";
}

/** Container labels: the owning server and its machine. */
export const SERVER = "omoi.server";
export const HOST = "omoi.host";

/**
 * Returns the ContainerCreate request: the container sees nothing of the machine but the workspace.
 * @param limitsOpenFiles false: leaves the limit of open files to the engine
 */
export function containerOf(run: ContainerRun, limitsOpenFiles: boolean): unknown {
  const { input, name, uid, image, resolver } = run;
  const { memoryBytes, processes, cpus, diskBytes, openFiles = 65_536 } = input.limits;
  const waits = waitsForNetwork(input);
  const hasInput = input.hasInput === true;
  const share = (part: number): number => Math.floor(memoryBytes * part);
  // Podman cannot set an owner here, so the mode admits the run's user; the container has no other
  // users.
  const tmpfs = (part: number): string => `rw,nosuid,nodev,exec,size=${share(part)},mode=1777`;
  const bind = (Source: string, Target: string, ReadOnly = false): unknown => ({
    Type: "bind",
    Source,
    Target,
    ReadOnly,
    BindOptions: { Propagation: "rprivate" },
  });
  const limit = (Name: string, value: number): unknown => ({ Name, Soft: value, Hard: value });
  const variables = { HOME, LANG: "C.UTF-8", TMPDIR: "/tmp", TERM: "dumb", ...input.env };
  return {
    Image: image,
    Entrypoint: [],
    Cmd: [...(waits ? wait(hasInput) : []), ...input.command],
    Env: Object.entries(variables).map(([variable, value]) => `${variable}=${value}`),
    User: `${uid}:${uid}`,
    WorkingDir: WORKSPACE,
    Hostname: "omoi",
    Labels: { [SERVER]: name, [HOST]: hostname() },
    AttachStdin: waits || hasInput,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
    OpenStdin: waits || hasInput,
    // It ends with the server's connection.
    StdinOnce: waits || hasInput,
    HostConfig: {
      Init: true,
      Mounts: [
        bind(input.folder, WORKSPACE),
        ...(input.home === null ? [] : [bind(input.home, HOME)]),
        ...(input.readOnly ?? []).map(({ source, path }) => bind(source, path, true)),
        ...(resolver === null ? [] : [bind(resolver, "/etc/resolv.conf", true)]),
      ],
      ReadonlyRootfs: true,
      Tmpfs: {
        "/tmp": tmpfs(1 / 2),
        ...(input.home === null && { [HOME]: tmpfs(1 / 4) }),
        "/run": tmpfs(1 / 16),
      },
      ShmSize: share(1 / 8),
      // The server opens its network (container-network.ts).
      NetworkMode: "none",
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
        ...(limitsOpenFiles ? [limit("nofile", openFiles)] : []),
        ...(diskBytes === null ? [] : [limit("fsize", diskBytes)]),
      ],
      OomScoreAdj: 500,
      // Output goes to the attached client; the engine keeps none.
      LogConfig: { Type: "none" },
      RestartPolicy: { Name: "no" },
    },
  };
}

/**
 * Tells whether a created container sees the workspace at `WORKSPACE`, not an empty folder of the
 * same path in the engine's mount namespace. The folder is marked by its modification time, so that
 * a crash leaves no file behind.
 */
export async function seesWorkspace(
  api: DockerApi,
  container: string,
  folder: string,
): Promise<boolean> {
  const { atime, mtime } = await stat(folder);
  // Whole seconds, since some file systems store no fractions.
  const mark = randomInt(1, 2 ** 31 - 1);
  await utimes(folder, atime, mark);
  try {
    return (await api.modifiedAt(container, WORKSPACE)) === mark;
  } finally {
    await utimes(folder, atime, mtime);
  }
}
