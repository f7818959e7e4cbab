/** A container of a manifest, executed by bubblewrap. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { V1Container, V1ContainerState } from "@kubernetes/client-node";
import type { Image } from "./images.js";
import { systemMounts } from "./pod.js";

export interface ManifestContainer {
  name: string;
  image: string;
  process: ChildProcess;
  said: () => string;
  /** Resolves with its terminated state. */
  ended: Promise<V1ContainerState>;
}

/**
 * @param folder with the volumes of its pod
 * @param secretOf returns the value of a key of a Secret
 */
export async function startManifestContainer(
  { name, image = "", ...container }: V1Container,
  from: Image,
  folder: string,
  secretOf: (name: string, key: string) => string,
): Promise<ManifestContainer> {
  const log = join(folder, `${name}.termination`);
  await writeFile(log, "");
  const { runAsUser, runAsGroup, readOnlyRootFilesystem } = container.securityContext ?? {};
  const env: Record<string, string> = {
    PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
    ...from.env,
  };
  for (const { name: variable, value = "", valueFrom } of container.env ?? []) {
    const { name: secret = "", key } = valueFrom?.secretKeyRef ?? {};
    env[variable] = key === undefined ? value : secretOf(secret, key);
  }
  const volumes = (container.volumeMounts ?? []).flatMap((mount) => [
    mount.readOnly === true ? "--ro-bind" : "--bind",
    join(folder, mount.name, mount.subPath ?? ""),
    mount.mountPath,
  ]);
  const child = spawn(
    "bwrap",
    [
      "--unshare-pid",
      "--as-pid-1",
      "--unshare-user",
      "--die-with-parent",
      "--uid",
      String(runAsUser),
      "--gid",
      String(runAsGroup),
      "--cap-drop",
      "ALL",
      ...systemMounts(readOnlyRootFilesystem !== true),
      ...from.mounts,
      ...volumes,
      "--bind",
      log,
      "/dev/termination-log",
      "--remount-ro",
      "/",
      "--chdir",
      container.workingDir ?? from.folder,
      "--",
      ...(container.command ?? from.entrypoint),
      ...(container.args ?? []),
    ],
    { env, stdio: ["ignore", "pipe", "pipe"] },
  );
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (said += text));
  }
  const terminated = async ([code]: unknown[]): Promise<V1ContainerState> => {
    const exitCode = (code as number | null) ?? 137;
    const written = await readFile(log, "utf8");
    const isLog = container.terminationMessagePolicy === "FallbackToLogsOnError";
    const message = isLog && written === "" && exitCode !== 0 ? said.slice(-2048) : written;
    const reason = exitCode === 0 ? "Completed" : "Error";
    return { terminated: { exitCode, reason, ...(message !== "" && { message }) } };
  };
  return {
    name,
    image,
    process: child,
    said: () => said,
    ended: once(child, "close").then(terminated),
  };
}
