/**
 * Pipes for a command's output. Node's own are sockets, which cannot be opened by name: `echo >
 * /dev/stderr` would fail in every script. These are FIFOs, unlinked once they are open.
 */
import { chmodSync, closeSync, constants, fchownSync, openSync, unlinkSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { readTool } from "../launch.js";

export interface OutputPipe {
  reader: Readable;
  /** For the command. */
  writer: number;
}

/** Pipes created at once: one mkfifo for many runs. */
const BATCH = 32;

export interface OutputPipes {
  /** @param uid the user that writes to it and may reopen it */
  take(uid: number): Promise<OutputPipe>;
}

/** @param folder for their names until they are open */
export function openOutputPipes(folder: string): OutputPipes {
  const ready: string[] = [];
  let made = 0;
  let making: Promise<void> | null = null;

  const make = async (): Promise<void> => {
    const paths = Array.from({ length: BATCH }, (_, index) => join(folder, `pipe-${made + index}`));
    made += BATCH;
    const { exitCode } = await readTool(["mkfifo", "--", ...paths]);
    if (exitCode !== 0) throw new Error(`mkfifo ended with ${exitCode}`);
    for (const path of paths) chmodSync(path, 0o600);
    ready.push(...paths);
  };
  return {
    async take(uid) {
      while (ready.length === 0) {
        making ??= make().finally(() => {
          making = null;
        });
        await making;
      }
      const path = ready.pop() as string;
      const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const writer = openSync(path, constants.O_WRONLY);
      unlinkSync(path);
      if (process.getuid?.() !== uid) fchownSync(writer, uid, uid);
      return { reader: new Socket({ fd: reader, readable: true, writable: false }), writer };
    },
  };
}

/** Closes the server's copies of the write ends after the start. */
export function closeWriters(pipes: readonly OutputPipe[]): void {
  for (const { writer } of pipes) closeSync(writer);
}
