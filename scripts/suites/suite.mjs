import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { isAbsolute, join, relative } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { root } from "../prepare.mjs";
import { emptyFolder, removeParts } from "./leftovers.mjs";
import {
  commandOf,
  descendantsOf,
  endProcesses,
  listProcesses,
  ProcessOwners,
} from "./processes.mjs";

/** Milliseconds between two looks at the journal and the processes. */
const LOOK_MS = 1000;
/** Milliseconds that the processes of a file have to end after its last hook. */
const END_MS = 5000;
/** Milliseconds that vitest has to end after its last file. */
const CLOSE_MS = 60_000;

/**
 * Runs test files of one project of vitest. A file that exceeds its time is ended with its processes, and fails; when the
 * suite exceeds its own, all that has not ended fails. The suite and each file have a folder of their own for temporary
 * files.
 * @param {{ project: string, env: Record<string, string>, args: string[], fileMs: number, deadline: number }} options
 *   `args` are words and options of vitest, `deadline` is in milliseconds since 1970
 * @returns the results by file, the failures outside of files, and what files left on the machine
 */
export async function runSuite({ project, env, args, fileMs, deadline }) {
  const folder = mkdtempSync(join(tmpdir(), "omoi-suite-"));
  try {
    const watch = new SuiteWatch(folder, { fileMs, deadline });
    const vitest = join(root, "node_modules/vitest/vitest.mjs");
    const reporters = ["--reporter=default", "--reporter=./scripts/suites/reporter.mjs"];
    const child = spawn(
      process.execPath,
      [vitest, "run", "--project", project, "--passWithNoTests", ...reporters, ...args],
      { cwd: root, stdio: "inherit", env: { ...process.env, ...env, ...watch.variables } },
    );
    const status = await watch.untilEnd(child, project);
    return watch.results(status);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

class SuiteWatch {
  #run = randomUUID();
  #owners = new ProcessOwners(this.#run);
  #journal;
  #report;
  #fileMs;
  #deadline;
  /** The file that each worker runs, with its last test and the time of its begin. */
  #running = new Map();
  /** The file that each worker runs, or ran last. */
  #workers = new Map();
  /** Why a file has no results. */
  #ended = new Map();
  /** Files whose processes are still waited for, with the time of their end. */
  #closing = new Map();
  #processorSeconds = new Map();
  /** What files and the suite have left. */
  #left = [];
  /** The parts of a network that each file has made. */
  #parts = new Map();
  /** The folder for temporary files of each file, and that of what files share. */
  #folders = new Map();
  #shared;
  #closedAt = null;
  /** @type {string | null} */
  #failure = null;

  constructor(folder, { fileMs, deadline }) {
    this.#fileMs = fileMs;
    this.#deadline = deadline;
    this.#journal = new Lines(join(folder, "journal"));
    this.#report = new Lines(join(folder, "report"));
    this.#shared = join(folder, "shared");
    // Servers and agents have accounts of their own.
    chmodSync(folder, 0o711);
    mkdirSync(this.#shared);
    chmodSync(this.#shared, 0o1777);
    this.variables = {
      TMPDIR: this.#shared,
      SUITE_SHARED: this.#shared,
      SUITE_CACHE: tmpdir(),
      SUITE_RUN: this.#run,
      SUITE_JOURNAL: this.#journal.path,
      SUITE_REPORT: this.#report.path,
    };
  }

  /** Watches vitest until it and the processes of its files have ended. Returns its exit code. */
  async untilEnd(child, project) {
    let tick;
    let signal = null;
    const stop = (name) => {
      signal = name;
      this.#failure ??= `got ${name}`;
    };
    for (const name of ["SIGINT", "SIGTERM"]) process.on(name, stop);
    const status = await new Promise((resolve) => {
      tick = setInterval(() => this.#look(child), LOOK_MS);
      child.once("error", () => resolve(null));
      child.once("exit", resolve);
    });
    clearInterval(tick);
    this.#readJournal();
    const ended = Date.now();
    while (this.#owners.look(this.#workers).length > 0 && Date.now() - ended < END_MS)
      await pause(100);
    this.#endProcessesOf(() => true, project);
    for (const file of this.#folders.keys()) this.#clear(file);
    this.#recordLeft(project, emptyFolder(this.#shared));
    for (const name of ["SIGINT", "SIGTERM"]) process.off(name, stop);
    if (signal !== null) process.exit(1);
    return status;
  }

  #look(child) {
    this.#readJournal();
    const now = Date.now();
    const processes = this.#owners.look(this.#workers);
    const alive = new Set(processes.map(({ pid }) => pid));
    for (const [pid, { file, test, since }] of this.#running) {
      const isOver = now - since > this.#fileMs;
      if (!isOver && (alive.has(pid) || process.platform !== "linux")) continue;
      const reason = isOver ? `did not end within ${minutes(this.#fileMs)}` : "its worker ended";
      this.#ended.set(file, `${test ?? "before the first test"}: Error: ${reason}`);
      this.#running.delete(pid);
      const own = processes.filter((one) => one.file === file);
      endProcesses([{ pid }, ...own, ...descendantsOf(pid, listProcesses())]);
    }
    for (const [file, since] of this.#closing) {
      if (now - since < END_MS) continue;
      this.#closing.delete(file);
      this.#endProcessesOf((one) => one.file === file, file, processes);
      this.#clear(file);
    }
    if (this.#report.all().some(({ errors }) => errors !== undefined)) this.#closedAt ??= now;
    if (now > this.#deadline) this.#failure = "reached its time limit";
    else if (this.#closedAt !== null && now - this.#closedAt > CLOSE_MS)
      this.#failure = `did not close within ${minutes(CLOSE_MS)}`;
    if (this.#failure !== null) {
      endProcesses(processes);
      child.kill("SIGKILL");
    }
  }

  #readJournal() {
    for (const { pid, file, event, name, cpu, folder, kind } of this.#journal.next()) {
      if (event === "begin") {
        this.#folders.set(file, folder);
        this.#running.set(pid, { file, test: null, since: Date.now() });
        this.#workers.set(pid, file);
        this.#parts.set(file, []);
      } else if (event === "test" && this.#running.has(pid)) this.#running.get(pid).test = name;
      else if (event === "part") this.#parts.get(file)?.push({ kind, name });
      else if (event === "end") {
        this.#running.delete(pid);
        this.#processorSeconds.set(file, cpu);
        this.#closing.set(file, Date.now());
      }
    }
  }

  /** Removes what a file left besides processes, and records it. */
  #clear(file) {
    const folder = this.#folders.get(file);
    if (folder === undefined) return;
    this.#folders.delete(file);
    this.#recordLeft(file, [...removeParts(this.#parts.get(file)), ...emptyFolder(folder)]);
  }

  #recordLeft(file, lines) {
    this.#left.push(...lines.map((what) => ({ file, what })));
  }

  /** Ends processes that outlived their file, and records them. */
  #endProcessesOf(isChosen, file, processes = this.#owners.look(this.#workers)) {
    const left = processes.filter((one) => one.pid !== process.pid && isChosen(one));
    for (const one of left)
      this.#left.push({ file: one.file ?? file, what: `a process: ${commandOf(one)}` });
    endProcesses(left);
  }

  /** Joins the report and what the watch has seen. */
  results(status) {
    const records = this.#report.all();
    const planned = records.flatMap(({ planned }) => planned ?? []);
    const files = new Map(records.flatMap(({ file }) => (file ? [[file.path, file]] : [])));
    const errors = [];
    for (const error of records.flatMap(({ errors }) => errors ?? [])) {
      // The error of a worker that was ended; its file has the reason.
      if (error.line.includes("[vitest-pool]: Worker") && this.#ended.size > 0) continue;
      const file = error.path === null ? undefined : files.get(error.path);
      if (file === undefined) errors.push(error.line);
      else file.failures.push(`outside of tests: ${error.line}`);
    }
    for (const [pid, { file, test }] of this.#running)
      this.#ended.set(file, `${test ?? `worker ${pid}`}: Error: did not end with the suite`);
    for (const path of planned) {
      if (files.has(path)) continue;
      const reason = this.#ended.get(path) ?? "Error: was not run";
      files.set(path, { ...emptyFile(path), failures: [reason] });
    }
    for (const [path, seconds] of this.#processorSeconds)
      if (files.has(path)) files.get(path).processorSeconds = seconds;
    const left = this.#left.map(
      ({ file, what }) =>
        `${isAbsolute(file) ? relative(root, file) : file}: left ${visible(what)}`,
    );
    if (this.#failure !== null) errors.push(`Error: the suite ${this.#failure}`);
    const isFailed = errors.length > 0 || [...files.values()].some((file) => file.failures.length);
    if (status !== 0 && !isFailed) errors.push(`Error: vitest ended with ${status}`);
    return { files, errors, left };
  }
}

/** A file of JSON lines that another process appends to. */
class Lines {
  #records = [];
  #length = 0;

  constructor(path) {
    this.path = path;
  }

  /** Returns the records since the last call. */
  next() {
    const text = this.#read();
    const end = text.lastIndexOf("\n") + 1;
    const added = text
      .slice(this.#length, end)
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    this.#length = end;
    this.#records.push(...added);
    return added;
  }

  all() {
    this.next();
    return this.#records;
  }

  #read() {
    try {
      return readFileSync(this.path, "utf8");
    } catch {
      return ""; // Nothing is written yet.
    }
  }
}

const emptyFile = (path) => ({ path, passed: 0, skipped: 0, failures: [], tests: [] });
const minutes = (ms) => `${Math.round(ms / 60_000)} min`;
const visible = (text) => stripVTControlCharacters(text);
