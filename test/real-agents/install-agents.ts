/** The agents' own programs, installed from npm. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";

/** Whether the adapter of Codex is tried, too: with it, CI would take more than a minute longer. */
export const isThorough = process.env["THOROUGH"] === "1";

/** The tried versions. */
const packages = [
  "@anthropic-ai/claude-code@2.1.197",
  "opencode-ai@1.18.33",
  "@agentclientprotocol/claude-agent-acp@0.101.0",
  ...(isThorough ? ["@agentclientprotocol/codex-acp@2.6.0"] : []),
];
const cache = join(import.meta.dirname, "../../node_modules/.cache/omoi-agents");
const folder = join(cache, packages.join("+").replaceAll(/[^\w.+-]/g, "-"));

/**
 * Returns a folder with the programs in `bin`, or why there is none. They are more than 1 GB, so they are
 * installed in CI and with THOROUGH=1 only, and kept.
 */
export async function installAgents(): Promise<{ folder: string } | { missing: string }> {
  if (existsSync(folder)) return { folder };
  if (!process.env["CI"] && !isThorough) {
    return { missing: "not installed; set CI=1 to install them" };
  }
  await mkdir(cache, { recursive: true });
  if (!(await claim())) return { folder };
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

const claimed = `${folder}.pid`;

/** Waits while another test process installs them. Returns false once it has. */
async function claim(): Promise<boolean> {
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
