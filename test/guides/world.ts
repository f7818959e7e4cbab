/** One installation for all guides: a clone, its server, a home, and the programs that the guides use. */
import { chmod, cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { expect } from "vitest";
import type { Client } from "#shared/contract/client.js";
import { allCodeBlocks, type CodeBlock } from "#test/support/documents/code-blocks.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { upstreamCaFile } from "#test/support/git/upstream-servers.js";
import {
  openGuideShell,
  type GuideShell,
  type ShellOutput,
} from "#test/support/guides/guide-shell.js";
import { builtFile, root } from "#test/support/server/built-files.js";
import { removeDataFolder } from "#test/support/server/data-folder.js";
import { clientOf, startServer, type ServerProcess } from "#test/support/server/server-process.js";
import { notRun } from "./not-run.js";

/** The person of the tutorial. */
export const ada = { email: "ada@example.com", password: "correct staple horse" };

/** Parts of the repository that a guide's commands in a clone use. */
const CLONED = [
  "package.json",
  "package-lock.json",
  "index.html",
  "vite.config.ts",
  "tsconfig.base.json",
  "tsconfig.build.json",
  "tsconfig.web.json",
  "README.md",
  "LICENSE",
  "scripts",
  "src",
  "docs",
  "deploy",
  "dist",
];

/** `npm start` ends as by Ctrl-C once the server is ready; npm does everything else. */
const NPM = `#!/usr/bin/env node
const { spawn } = require("node:child_process");
const args = process.argv.slice(2);
const isServer = args[0] === "start" || args[1] === "demo";
const env = { ...process.env, PATH: process.env.PATH.split(":").slice(1).join(":") };
if (isServer) Object.assign(env, { OMOI_PORT: "0", OMOI_LOG_LEVEL: "warn" });
const child = spawn("npm", args, { env, detached: isServer, stdio: isServer ? ["ignore", "pipe", "inherit"] : "inherit" });
let text = "";
let isReady = false;
child.stdout?.on("data", (chunk) => {
  process.stdout.write(chunk);
  text += chunk;
  if (isReady || !/^Omoi is ready: /m.test(text)) return;
  isReady = true;
  process.kill(-child.pid, "SIGINT");
});
child.on("close", (code) => process.exit(isServer ? (isReady ? 0 : code || 1) : code));
`;

/** Stands in for npm in runs: installs, tests and writes lock files without a registry. */
const NPM_OF_RUNS = `#!/bin/sh
case "$*" in
test) echo "12 passed";;
ci) mkdir -p node_modules/left-pad && echo "added 1 package";;
*--package-lock-only*) echo '{"name":"app","lockfileVersion":3}' > package-lock.json;;
*) exit 9;;
esac
`;

/** Stands in for Claude Code: it follows the prompt without a model. */
const CLAUDE = `#!/bin/sh
if [ "$*" = --version ]; then echo "2.1.0 (Claude Code)"; exit; fi
echo fixed > fixed.txt
echo '{"type":"result","subtype":"success","result":"Done"}'
`;

const quoted = (word: string): string => `'${word.replaceAll("'", String.raw`'\''`)}'`;

/** The commands of a guide, in their order. */
export interface OpenGuide {
  shell: GuideShell;
  folder: string;
  /** Runs the next block that can be run. A console block must print its first line. */
  next(): Promise<ShellOutput>;
  /** Runs the remaining blocks, and ends the shell. */
  rest(): Promise<ShellOutput[]>;
  /** Returns the value of a variable. */
  value(name: string): Promise<string>;
}

interface GuideOptions {
  /** Where the guide begins: a folder of its own, or the clone. */
  place?: "folder" | "clone";
  /** Commands that a person has given before. */
  begin?: string;
  env?: Record<string, string>;
  /** Texts that stand for values of a reader. */
  instead?: Record<string, string>;
}

export const isShell = ({ language }: Pick<CodeBlock, "language">): boolean =>
  language === "sh" || language === "console";
export const firstLine = (text: string): string => text.split("\n")[0] as string;

class World {
  folder = "";
  url = "";
  /** Addresses of the guides, and those of this test. */
  readonly addresses: Record<string, string> = {};
  /** Documents whose blocks were run. */
  readonly finished = new Set<string>();
  #server: ServerProcess | null = null;
  #folders = 0;

  readonly in = (...path: string[]): string => join(this.folder, ...path);

  async open(): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), "omoi-guides-"));
    await chmod(this.folder, 0o755);
    for (const name of ["home", "bin", "tools", "scripts", "root", "clone/node_modules"]) {
      await mkdir(this.in(name), { recursive: true });
    }
    for (const name of CLONED) {
      await cp(join(root, name), this.in("clone", name), {
        recursive: true,
        preserveTimestamps: true,
      });
    }
    for (const name of await readdir(join(root, "node_modules"))) {
      if (name === ".cache") continue;
      await symlink(join(root, "node_modules", name), this.in("clone/node_modules", name));
    }
    await symlink(builtFile("cli/main.js"), this.in("bin/omoi"));
    const programs = {
      "bin/npm": NPM,
      "tools/npm": NPM_OF_RUNS,
      "tools/claude": CLAUDE,
      "tools/claude-agent-acp": `#!/bin/sh\nexec ${acpAgent().map(quoted).join(" ")}\n`,
    };
    for (const [name, text] of Object.entries(programs)) {
      await writeFile(this.in(name), text, { mode: 0o755 });
    }
    // The folder that a guide updates by `git pull`.
    const git = (...args: string[]) =>
      expect(spawnSync("git", args, { cwd: this.in("clone") }).status).toBe(0);
    git("init", "--quiet", "--initial-branch", "main");
    git("add", "package.json");
    git(
      "-c",
      "user.name=Omoi",
      "-c",
      "user.email=omoi@example.com",
      "commit",
      "--quiet",
      "-m",
      "Omoi",
    );
    git("clone", "--quiet", "--bare", ".", "../upstream.git");
    git("remote", "add", "origin", "../upstream.git");
    git("fetch", "--quiet");
    git("branch", "--quiet", "--set-upstream-to", "origin/main");
  }

  async close(): Promise<void> {
    await this.halt();
    if (this.folder === "") return;
    await removeDataFolder(this.in("clone/data"));
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Starts the server of the clone unless it runs. */
  async serve(env: Record<string, string> = {}): Promise<void> {
    if (this.#server !== null) return;
    this.#server = startServer(
      {
        OMOI_WEBHOOK_PRIVATE_HOSTS: "true",
        OMOI_IMPORT_PRIVATE_HOSTS: "true",
        OMOI_IMPORT_CA_FILE: upstreamCaFile,
        OMOI_SANDBOX_READONLY: this.in("tools"),
        ...env,
      },
      [],
      [],
      { root: this.in("clone") },
    );
    this.url = await this.#server.ready;
    this.addresses["https://omoi.example.com"] = this.url;
    this.addresses["127.0.0.1:8080"] = new URL(this.url).host;
  }

  /** Stops the server. */
  async halt(): Promise<void> {
    this.#server?.process.kill("SIGTERM");
    const end = await this.#server?.ended;
    this.#server = null;
    if (end !== undefined) expect([end.code, end.stderr]).toEqual([0, end.stderr]);
  }

  /** Returns the client of the person of the tutorial. */
  async api(person: { email: string; password: string } = ada): Promise<Client> {
    const { data } = await clientOf(this.url).auth.login({ body: person });
    return clientOf(this.url, data.access_token);
  }

  shell(cwd: string, env: Record<string, string> = {}): GuideShell {
    return openGuideShell(cwd, this.in("scripts"), {
      HOME: this.in("home"),
      PATH: [this.in("bin"), process.env["PATH"]].join(delimiter),
      GIT_TERMINAL_PROMPT: "0",
      ...env,
    });
  }

  /** Opens a guide, whose blocks are run as they are written, except addresses and folders of the machine. */
  async guide(
    path: string,
    { place = "folder", begin, env, instead = {} }: GuideOptions = {},
  ): Promise<OpenGuide> {
    const blocks = (await allCodeBlocks(path))
      .filter(isShell)
      .filter(({ text }) => notRun[path]?.[firstLine(text)] === undefined);
    const folder = place === "clone" ? this.in("clone") : this.in(`folder-${(this.#folders += 1)}`);
    await mkdir(folder, { recursive: true });
    const shell = this.shell(folder, env);
    if (begin !== undefined) await shell.run(begin);
    const run = async ({ language, text }: CodeBlock): Promise<ShellOutput> => {
      const commands = this.#adapt(text, instead);
      if (language !== "console") return shell.run(commands);
      const [, command = "", shown = ""] = /^\$ (.*)\n(.*)$/m.exec(commands) ?? [];
      const output = await shell.run(command);
      const words = (line: string): string => line.trim().replaceAll(/\s+/g, " ");
      expect(words(firstLine(output.out + output.err))).toBe(words(shown));
      return output;
    };
    const next = async (): Promise<ShellOutput> => {
      const block = blocks.shift();
      if (block === undefined) throw new Error(`${path} has no further block`);
      return run(block);
    };
    return {
      shell,
      folder,
      next,
      rest: async () => {
        const outputs: ShellOutput[] = [];
        while (blocks.length > 0) outputs.push(await next());
        await shell.close();
        this.finished.add(path);
        return outputs;
      },
      value: async (name) => (await shell.run(`printf %s "$${name}"`)).out,
    };
  }

  #adapt(text: string, instead: Record<string, string>): string {
    let adapted = text;
    for (const [shown, real] of Object.entries({ ...instead, ...this.addresses })) {
      adapted = adapted.replaceAll(shown, real);
    }
    // Folders outside of the clone, below one of this test.
    return adapted.replaceAll(
      /(?<![\w.$/}])\/(?=(?:etc|var|usr\/local|run)\/)/g,
      `${this.in("root")}/`,
    );
  }
}

export const world = new World();
