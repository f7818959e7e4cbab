/**
 * Loaded into the server's process before its own code: counts effects that last (a transaction
 * with writes, a git process that writes or moves references, a file or folder that appears under its
 * name) and kills
 * the process at one of them. The server's code is not involved, so that no step can be missed.
 *
 * Counting starts at SIGUSR2 and ends at the next one, acknowledged by the lines "armed" and
 * "disarmed"; or it starts with the program KILL_FROM. KILL_AT is the number of the effect,
 * starting at 1; unset for none. KILL_WHEN chooses between just before it and just after its start.
 */
import childProcess from "node:child_process";
import fsPromises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { promisify } from "node:util";
import pg from "pg";

const killAt = Number(process.env["KILL_AT"]);
const killFrom = process.env["KILL_FROM"];
const isAfter = process.env["KILL_WHEN"] === "after";
let isArmed = false;
let count = 0;

process.on("SIGUSR2", () => {
  isArmed = !isArmed;
  process.stdout.write(isArmed ? "armed\n" : "disarmed\n");
});

/**
 * Performs an effect, unless the process ends before it.
 * @template Result
 * @param {() => Result} perform
 */
function effect(perform) {
  if (isArmed) count += 1;
  const isLast = isArmed && count === killAt;
  if (isLast && !isAfter) process.kill(process.pid, "SIGKILL");
  const result = perform();
  if (isLast) process.kill(process.pid, "SIGKILL");
  return result;
}

/** Read-only git commands; all others may write. */
const looking = new Set([
  "cat-file",
  "check-ignore",
  "diff-files",
  "diff-index",
  "diff-tree",
  "for-each-ref",
  "log",
  "ls-files",
  "ls-tree",
  "merge-base",
  "rev-list",
  "rev-parse",
  "upload-pack",
  "version",
]);

const { spawn, execFile } = childProcess;
childProcess.spawn = (program, args, ...rest) => {
  const start = () => spawn(program, args, ...rest);
  if (args.some((arg) => arg.includes("launcher-process"))) return countingCommands(start());
  if (program === killFrom) isArmed = true;
  const verb = args.find((arg) => !arg.startsWith("-")) ?? "";
  if (program !== "git") return effect(start);
  if (looking.has(verb)) return start();
  return verb === "update-ref" ? countingWrites(start()) : effect(start);
};

/**
 * Counts the commands that a child starts for the server, as they are sent to it.
 * @param {childProcess.ChildProcess} launcher
 */
function countingCommands(launcher) {
  const { stdin } = launcher;
  if (stdin === null) return launcher;
  const write = stdin.write.bind(stdin);
  const uncork = stdin.uncork.bind(stdin);
  let isCommand = false;
  // @ts-expect-error -- one of the overloads is enough
  stdin.write = (chunk, ...all) => {
    const header = /^\{.*"type":"start"/.test(chunk) ? JSON.parse(String(chunk)) : null;
    if (header !== null) isCommand = true;
    if (header !== null && header.file === killFrom) isArmed = true;
    return write(chunk, ...all);
  };
  stdin.uncork = () => {
    if (!isCommand) return uncork();
    isCommand = false;
    return effect(uncork);
  };
  return launcher;
}

/**
 * Counts the transactions of a git process that waits for them, instead of its start.
 * @param {childProcess.ChildProcess} child
 */
function countingWrites(child) {
  const { stdin } = child;
  if (stdin === null) return child;
  const write = stdin.write.bind(stdin);
  // @ts-expect-error -- one of the overloads is enough
  stdin.write = (...all) => effect(() => write(...all));
  return child;
}

// With a promise, as the server calls it.
const runProgram = execFile[promisify.custom];
childProcess.execFile = Object.assign((...all) => execFile(...all), {
  /** @param {string} program @param {unknown[]} rest */
  [promisify.custom]: (program, ...rest) => {
    if (program === killFrom) isArmed = true;
    return effect(() => runProgram(program, ...rest));
  },
});

for (const name of ["rename", "link", "symlink"]) {
  const original = fsPromises[name];
  fsPromises[name] = (...all) => effect(() => original(...all));
}
syncBuiltinESMExports();

const wrote = new WeakSet();
// Called below with the client that it is of.
// oxlint-disable-next-line typescript/unbound-method
const { query } = pg.Client.prototype;
pg.Client.prototype.query = function counted(...all) {
  const [first] = all;
  const text = typeof first === "string" ? first : (first?.text ?? "");
  if (/\b(?:insert|update|delete)\b/i.test(text)) wrote.add(this);
  if (/^rollback/i.test(text)) wrote.delete(this);
  if (text !== "commit" || !wrote.delete(this)) return query.apply(this, all);
  return effect(() => query.apply(this, all));
};
