/**
 * Loaded before the server's own code, in its process: counts what it does that lasts (a transaction
 * that wrote, a git that writes, a file or folder that appears under its name) and kills the process at
 * one of them. What the server is made of knows nothing of it, so that no step can be forgotten.
 *
 * It counts from SIGUSR2 to the next, and acknowledges them with the lines "armed" and "disarmed"; or
 * from when it starts the program KILL_FROM. KILL_AT is the effect's number from 1; 0 kills at none.
 * KILL_WHEN says whether just before it or as soon as it was started.
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
 * Does something that lasts, unless the process ends before it.
 * @template Result
 * @param {() => Result} act
 */
function effect(act) {
  if (isArmed) count += 1;
  const isLast = isArmed && count === killAt;
  if (isLast && !isAfter) process.kill(process.pid, "SIGKILL");
  const result = act();
  if (isLast) process.kill(process.pid, "SIGKILL");
  return result;
}

/** What git only looks with; everything else may write. */
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
  const verb = args.find((arg) => !arg.startsWith("-")) ?? "";
  return program === "git" && looking.has(verb) ? start() : effect(start);
};

// As the server calls it: with a promise.
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
