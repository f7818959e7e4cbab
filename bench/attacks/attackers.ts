/** Tenants that attack, each in a process of its own with the lowest priority: they stand for other machines. */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { attacks, type AttackName } from "./attack-list.js";

const file = fileURLToPath(import.meta.url);

/** An attack in progress. */
export interface RunningAttack {
  /** Ends it, and returns what the server made of it. @throws if it attacked nothing */
  stop(): Promise<string>;
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
): Promise<string> {
  // An attack that has ended by itself measured nothing.
  if (child.exitCode !== null) throw new Error(`the attack ${name} ended with ${child.exitCode}`);
  const looked = once(child, "message") as Promise<[Look]>;
  child.send("look");
  const [look] = await looked;
  child.kill("SIGKILL");
  await ended;
  if ("problem" in look) throw new Error(`the attack ${name} failed: ${look.problem}`);
  return look.seen;
}

/** What a process answers when it is asked to look at its attack. */
type Look = { seen: string } | { problem: string };

if (process.argv[1] === file) {
  const [url, name] = process.argv.slice(2) as [string, AttackName];
  const { attack, look } = await attacks[name].prepare(url);
  process.once("message", () => {
    look().then(
      (seen) => process.send?.({ seen } satisfies Look),
      (error: Error) => process.send?.({ problem: error.message } satisfies Look),
    );
  });
  process.send?.("prepared");
  await attack();
}
