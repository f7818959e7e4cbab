/** The agents' own programs, installed from npm. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";

/** A folder with the programs in `bin`, or why there is none. */
export type Installed = { folder: string } | { missing: string };

const cache = join(import.meta.dirname, "../../node_modules/.cache/omoi-agents");

/** Returns the folders of programs that are installed. */
export const foldersOf = (...all: readonly Installed[]): string[] =>
  all.flatMap((installed) => ("folder" in installed ? installed.folder : []));

/**
 * Installs the tried versions of Claude Code and OpenCode. They are 1 GB, so they are installed in CI and with THOROUGH=1
 * only, and kept.
 */
export const installAgents = (): Promise<Installed> =>
  install([
    "@anthropic-ai/claude-code@2.1.197",
    "opencode-ai@1.18.33",
    "@agentclientprotocol/claude-agent-acp@0.101.0",
  ]);

/** Installs the tried versions of Codex and its adapter, likewise. The adapter brings a Codex of its own. */
export const installCodex = (): Promise<Installed> =>
  install(["@openai/codex@0.171.0", "@agentclientprotocol/codex-acp@2.6.0"]);

async function install(packages: readonly string[]): Promise<Installed> {
  const folder = join(cache, packages.join("+").replaceAll(/[^\w.+-]/g, "-"));
  if (existsSync(folder)) return { folder };
  if (!process.env["CI"] && process.env["THOROUGH"] !== "1") {
    return { missing: "not installed; set CI=1 to install them" };
  }
  await mkdir(cache, { recursive: true });
  const claimed = `${folder}.pid`;
  if (!(await claim(folder, claimed))) return { folder };
  const unfinished = await mkdtemp(join(cache, "unfinished-"));
  try {
    const args = ["install", "--global", "--prefix", unfinished, "--no-audit", "--no-fund"];
    await promisify(execFile)("npm", [...args, ...packages], { timeout: 600_000 });
    // Runs see it as another user.
    await chmod(unfinished, 0o755);
    await rename(unfinished, folder);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    return { missing: `npm cannot install them: ${String(error).split("\n", 1)[0]}` };
  } finally {
    await rm(claimed, { force: true });
  }
  return { folder };
}

/** Waits while another test process installs them. Returns false once it has. */
async function claim(folder: string, claimed: string): Promise<boolean> {
  for (;;) {
    if (existsSync(folder)) return false;
    try {
      await writeFile(claimed, String(process.pid), { flag: "wx" });
      return true;
    } catch {
      const pid = Number(await readFile(claimed, "utf8").catch(() => ""));
      if (pid > 0 && !existsSync(`/proc/${pid}`)) await rm(claimed, { force: true });
      await pause(500);
    }
  }
}
