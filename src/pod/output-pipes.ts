/**
 * Pipes for a command's output. Those of Node are sockets, which cannot be opened by name: `echo > /dev/stderr` would
 * fail in every script. mkfifo is one of the copied tools, since an image may lack it.
 */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, constants, existsSync, openSync, unlinkSync } from "node:fs";
import { Socket } from "node:net";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";

export interface OutputPipe {
  reader: Readable;
  /** For the command; closed by `close` after its start. */
  writer: number;
  close(): void;
}

const tools = dirname(import.meta.filename);

/**
 * Returns two pipes; null where the tools are not copied, so that Node's must do.
 * @param folder for their names until they are open
 */
export function openOutputPipes(folder: string): [OutputPipe, OutputPipe] | null {
  const loader = join(tools, "lib/loader");
  if (!existsSync(loader)) return null;
  const names = [0, 1].map(() => join(folder, `pipe-${randomBytes(8).toString("hex")}`));
  const mkfifo = ["--library-path", join(tools, "lib"), join(tools, "mkfifo"), "-m", "600"];
  const { status } = spawnSync(loader, [...mkfifo, ...names], { stdio: "ignore", timeout: 10_000 });
  if (status !== 0) return null;
  return names.map(openPipe) as [OutputPipe, OutputPipe];
}

function openPipe(path: string): OutputPipe {
  const { O_RDONLY, O_WRONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
  const reader = openSync(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  const writer = openSync(path, O_WRONLY | O_NOFOLLOW);
  unlinkSync(path);
  return {
    reader: new Socket({ fd: reader, readable: true, writable: false }),
    writer,
    close: () => closeSync(writer),
  };
}
