import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { vi } from "vitest";
import { root } from "../server/built-files.js";
import { freePort } from "../server/free-port.js";

/** A server in the documents, as a process. */
export interface Example {
  url: string;
  /** Its standard output and error until now. */
  output(): string;
  close(): Promise<void>;
}

/** Starts a script of a document, on another port than 8000. */
export async function startExample(
  code: string,
  env: Record<string, string>,
  given?: number,
): Promise<Example> {
  const port = given ?? (await freePort());
  const script = code.replace("8000", String(port));
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    cwd: root,
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (text) => (output += String(text)));
  child.stderr.on("data", (text) => (output += String(text)));
  const example: Example = {
    url: `http://127.0.0.1:${port}`,
    output: () => output,
    close: async () => {
      if (child.exitCode !== null) return;
      child.kill();
      await once(child, "exit");
    },
  };
  try {
    await vi.waitFor(
      async () => {
        const socket = connect(port, "127.0.0.1");
        await once(socket, "connect");
        socket.destroy();
      },
      { timeout: 120_000, interval: 100 },
    );
  } catch (error) {
    await example.close();
    throw new Error(`the example does not listen: ${output}`, { cause: error });
  }
  return example;
}
