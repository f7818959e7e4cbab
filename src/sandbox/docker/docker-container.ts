/** The container of one run. */
import { hostname } from "node:os";
import { WORKSPACE, type SandboxInput } from "../sandbox.js";

export interface ContainerRun {
  input: SandboxInput;
  /** This server's, by which others tell whether it is gone. */
  name: string;
  uid: number;
  image: string;
}

/** What containers carry: which server's they are, and on which machine that ran. */
export const SERVER = "omoi.server";
export const HOST = "omoi.host";
const HOME = "/home/agent";

/**
 * What the engine is asked to make (ContainerCreate): nothing of the machine but the workspace.
 * @param limitsOpenFiles false: the engine's own limit of open files holds
 */
export function containerOf(run: ContainerRun, limitsOpenFiles: boolean): unknown {
  const { input, name, uid, image } = run;
  const { memoryBytes, processes, cpus, diskBytes, openFiles = 65_536 } = input.limits;
  const share = (part: number): number => Math.floor(memoryBytes * part);
  // Podman knows no owner of such a folder, so the mode lets the run's user in: no other is in there.
  const tmpfs = (part: number): string => `rw,nosuid,nodev,exec,size=${share(part)},mode=1777`;
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
        "/tmp": tmpfs(1 / 2),
        [HOME]: tmpfs(1 / 4),
        "/run": tmpfs(1 / 16),
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
        ...(limitsOpenFiles ? [limit("nofile", openFiles)] : []),
        ...(diskBytes === null ? [] : [limit("fsize", diskBytes)]),
      ],
      OomScoreAdj: 500,
      // Output goes to who is attached; the engine keeps none of it.
      LogConfig: { Type: "none" },
      RestartPolicy: { Name: "no" },
    },
  };
}
