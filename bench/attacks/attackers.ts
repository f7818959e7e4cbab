/** Tenants that attack, each in a process of its own with the lowest priority: they stand for other machines. */
import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { attacks, type AttackName } from "./attack-list.js";

const file = fileURLToPath(import.meta.url);

/** An attack in progress. */
export interface RunningAttack {
  /** Ends it. */
  stop(): Promise<void>;
}

/** Starts an attack by a new tenant; resolves once it is prepared and under way. */
export async function startAttack(url: string, name: AttackName): Promise<RunningAttack> {
  const child = fork(file, [url, name], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    // From its start, since a change of the priority would leave the threads of Node as they are.
    execPath: "nice",
    execArgv: ["-n", "19", process.execPath, ...process.execArgv],
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  await new Promise<void>((resolve, reject) => {
    child.once("message", () => resolve());
    void ended.then((code) => reject(new Error(`the attack ${name} ended with ${code}`)));
  });
  return { stop: () => stop(child, name, ended) };
}

async function stop(
  child: ChildProcess,
  name: string,
  ended: Promise<number | null>,
): Promise<void> {
  // An attack that has ended by itself measured nothing.
  if (child.exitCode !== null) throw new Error(`the attack ${name} ended with ${child.exitCode}`);
  child.kill("SIGKILL");
  await ended;
}

if (process.argv[1] === file) {
  const [url, name] = process.argv.slice(2) as [string, AttackName];
  const attack = await attacks[name].prepare(url);
  process.send?.("prepared");
  await attack();
}
