import { execFile, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import fastify from "fastify";
import { plainEnv } from "../support/harness.js";

/**
 * A process that does what a forge does for a large change: the page has the list of files with their counts, and
 * the lines of the first file, written as HTML by the server. It knows no callers and no database.
 */

export interface FirstFilePage {
  url: string;
  stop(): void;
}

const file = fileURLToPath(import.meta.url);

/** Serves the change between the last two commits of a working tree in a separate process. */
export function startFirstFilePage(folder: string): Promise<FirstFilePage> {
  return new Promise((resolve, reject) => {
    const child = fork(file, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    child.once("message", (port) => {
      resolve({
        url: `http://127.0.0.1:${port as number}/`,
        stop: () => child.kill("SIGTERM"),
      });
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the page's server ended with ${code}`)));
    child.send(folder);
  });
}

const run = promisify(execFile);

async function serve(folder: string): Promise<void> {
  const git = async (...args: string[]): Promise<string> => {
    const options = { cwd: folder, env: plainEnv(), maxBuffer: 64 * 1024 * 1024 };
    return (await run("git", ["diff", "-M", ...args], options)).stdout;
  };
  const app = fastify();
  app.get("/", async (_request, reply) => {
    const list = (await git("--numstat", "HEAD~1", "HEAD")).trim().split("\n");
    const files = list.map((line) => line.split("\t"));
    const first = files[0]?.[2] ?? "";
    const patch = await git("HEAD~1", "HEAD", "--", first);
    void reply.type("text/html; charset=utf-8").send(pageOf(files, patch));
  });
  await app.listen({ host: "127.0.0.1", port: 0 });
  const address = app.server.address();
  process.send?.(typeof address === "object" ? address?.port : null);
}

function pageOf(files: readonly string[][], patch: string): string {
  const items = files.map(
    ([added, deleted, path = ""]) =>
      `<li><a href="#${escape(path)}">${escape(path)}</a> +${added} -${deleted}</li>`,
  );
  let [before, after] = [0, 0];
  const rows = patch.split("\n").map((line) => {
    const hunk = /^@@ -(\d+)(?:,\d+)? \+(\d+)/.exec(line);
    if (hunk) [before, after] = [Number(hunk[1]), Number(hunk[2])];
    else if (line.startsWith("-")) before += 1;
    else if (line.startsWith("+")) after += 1;
    else [before, after] = [before + 1, after + 1];
    return `<tr><td>${before}</td><td>${after}</td><td><code>${escape(line)}</code></td></tr>`;
  });
  return `<!doctype html><title>Changes</title><ul>${items.join("")}</ul><table>${rows.join("")}</table>`;
}

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

if (process.argv[1] === file) process.once("message", (folder) => void serve(folder as string));
