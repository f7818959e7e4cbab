import { findProgram } from "./programs.js";
import { runTool } from "./launch.js";
import { SandboxRefusal } from "./sandbox.js";

/**
 * Gives what root wrote into a workspace to the agent's user. What the agent wrote is its own already
 * and keeps its times; links are given, never followed.
 */
export async function takeOver(folder: string, uid: number): Promise<void> {
  const chown = findProgram("chown") ?? "chown";
  const { exitCode, stderr } = await runTool([
    chown,
    "--recursive",
    "--no-dereference",
    "--from=0:0",
    `${uid}:${uid}`,
    "--",
    folder,
  ]);
  if (exitCode !== 0) {
    throw new SandboxRefusal(`The workspace could not be given to the agent's user: ${stderr.trim()}`);
  }
}
