/** Persistent git processes that answer many requests. */
import { GitError, spawnGit, type GitOptions, type GitProcess } from "./run.js";

/** Milliseconds after which an idle process stops. */
const IDLE_MS = 2000;
/** Milliseconds for all pending requests together. */
const ANSWER_MS = 60_000;
/** Maximum number of repositories with a process; the least recently used stops first. */
const MOST = 16;

/** The protocol of a persistent process. */
export interface ProcessProtocol<Question, Answer> {
  args: readonly string[];
  config?: GitOptions["config"];
  /** Encodes a request. */
  write(question: Question): Buffer;
  /**
   * Parses output from `at` on: `next` is the position after the parsed part, with the answer once
   * it is complete; `needs` is the number of bytes from `at` required to continue.
   */
  read(
    bytes: Buffer,
    at: number,
    question: Question,
  ): { next: number; answer?: Answer } | { needs: number };
}

/**
 * One process per repository while it is in use. Requests are answered in order; objects written
 * before a request are visible to it.
 */
export class PersistentGitPool<Question, Answer> {
  readonly #dialogue: ProcessProtocol<Question, Answer>;
  readonly #processes = new Map<string, PersistentGit<Question, Answer>>();

  constructor(dialogue: ProcessProtocol<Question, Answer>) {
    this.#dialogue = dialogue;
  }

  /** Sends a request. @throws GitError */
  request(repoPath: string, question: Question): Promise<Answer> {
    return this.#at(repoPath).request(question);
  }

  /** Starts the process early, while other work goes on. */
  warmUp(repoPath: string): void {
    this.#at(repoPath);
  }

  /** Stops the process of a repository before its removal, since it holds files open. */
  async end(repoPath: string): Promise<void> {
    const git = this.#processes.get(repoPath);
    this.#processes.delete(repoPath);
    await git?.stop();
  }

  #at(repoPath: string): PersistentGit<Question, Answer> {
    let git = this.#processes.get(repoPath);
    this.#processes.delete(repoPath);
    if (git?.isOver !== false) git = new PersistentGit(repoPath, this.#dialogue);
    this.#processes.set(repoPath, git);
    for (const [oldest, evicted] of this.#processes) {
      if (this.#processes.size <= MOST) break;
      this.#processes.delete(oldest);
      evicted.endWhenIdle();
    }
    return git;
  }
}

interface Asked<Question, Answer> {
  question: Question;
  resolve: (answer: Answer) => void;
  reject: (error: unknown) => void;
}

class PersistentGit<Question, Answer> {
  readonly #dialogue: ProcessProtocol<Question, Answer>;
  readonly #git: GitProcess;
  #asked: Asked<Question, Answer>[] = [];
  #chunks: Buffer[] = [];
  #size = 0;
  /** Bytes required before parsing can continue. */
  #needed = 1;
  #timer: NodeJS.Timeout | undefined;
  #ends = false;
  isOver = false;

  constructor(repoPath: string, dialogue: ProcessProtocol<Question, Answer>) {
    this.#dialogue = dialogue;
    const { args, config } = dialogue;
    this.#git = spawnGit(args, {
      gitDir: repoPath,
      ...(config && { config }),
      stdin: "pipe",
      persistent: true,
      timeoutMs: 0,
    });
    this.#git.stdout.on("data", (chunk: Buffer) => this.#take(chunk));
    this.#git.done.then(
      () => this.#fail(new GitError("exit", 0, "ended while it was asked", args)),
      (error: unknown) => this.#fail(error),
    );
    this.#watch();
  }

  request(question: Question): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#asked.push({ question, resolve, reject });
      if (this.#asked.length === 1) this.#watch();
      this.#git.stdin?.write(this.#dialogue.write(question));
    });
  }

  endWhenIdle(): void {
    this.#ends = true;
    if (this.#asked.length === 0) this.#end();
  }

  /** Stops the process; pending requests fail. */
  async stop(): Promise<void> {
    this.#fail(new GitError("aborted", null, "", this.#dialogue.args));
    await this.#git.done.catch(() => undefined);
  }

  #watch(): void {
    clearTimeout(this.#timer);
    if (this.#asked.length === 0) {
      this.#timer = setTimeout(() => this.#end(), IDLE_MS);
    } else {
      const late = () => this.#fail(new GitError("timeout", null, "", this.#dialogue.args));
      this.#timer = setTimeout(late, ANSWER_MS);
    }
  }

  #end(): void {
    this.isOver = true;
    this.#git.stdin?.end();
  }

  #fail(error: unknown): void {
    clearTimeout(this.#timer);
    this.isOver = true;
    this.#git.kill();
    const asked = this.#asked;
    this.#asked = [];
    for (const { reject } of asked) reject(error);
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size < this.#needed) return;
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#size);
    const at = this.#read(bytes);
    this.#chunks = at < bytes.length ? [bytes.subarray(at)] : [];
    this.#size = bytes.length - at;
    if (this.#asked.length === 0 && this.#ends) this.#end();
    else this.#watch();
  }

  /** Parses complete answers and returns the new position. */
  #read(bytes: Buffer): number {
    let at = 0;
    this.#needed = 1;
    for (let [first] = this.#asked; first && at < bytes.length; [first] = this.#asked) {
      const read = this.#dialogue.read(bytes, at, first.question);
      if ("needs" in read) {
        this.#needed = read.needs;
        break;
      }
      at = read.next;
      if (read.answer === undefined) continue;
      this.#asked.shift();
      first.resolve(read.answer);
    }
    return at;
  }
}
