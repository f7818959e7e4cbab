/** Repositories and pull requests of the doubles of forges: real bare repositories, and what a forge keeps beside them. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { git, makeTempFolder, runGit } from "../git/git.js";
import {
  nextId,
  nextTime,
  type DoubleCheck,
  type DoubleComment,
  type DoubleEvent,
  type DoubleIssue,
  type DoublePlace,
  type DoublePull,
  type DoubleReview,
  type DoubleStatus,
  type DoubleThread,
} from "./records.js";

const author = {
  GIT_AUTHOR_NAME: "Dev",
  GIT_AUTHOR_EMAIL: "dev@example.com",
  GIT_COMMITTER_NAME: "Dev",
  GIT_COMMITTER_EMAIL: "dev@example.com",
};

export class DoubleRepository {
  readonly pulls: DoublePull[] = [];
  readonly issues: DoubleIssue[] = [];
  readonly checks = new Map<string, DoubleCheck[]>();
  readonly statuses = new Map<string, DoubleStatus[]>();
  /** What logins may do; others have no access. */
  readonly permissions = new Map<string, "read" | "write" | "admin">([["lead", "admin"]]);
  /** Whether issues and pull requests are counted together. */
  sharesNumbers = true;
  onEvent: (event: DoubleEvent) => void = () => {};
  readonly #checkIds = new Map<DoubleCheck, number>();
  readonly labels = ["bug", "feature"];
  isPrivate = true;
  description: string | null = "A shop";

  readonly id: number;
  readonly name: string;
  readonly folder: string;

  private constructor(id: number, name: string, folder: string) {
    this.id = id;
    this.name = name;
    this.folder = folder;
  }

  /** Makes a bare repository below `root` with one commit on `main`. */
  static async make(
    root: string,
    id: number,
    name: string,
    files: Record<string, string>,
  ): Promise<DoubleRepository> {
    const folder = join(root, `${name}.git`);
    await mkdir(folder, { recursive: true });
    await git(["init", "--bare", "-b", "main"], { cwd: folder });
    await git(["config", "http.receivepack", "true"], { cwd: folder });
    const made = new DoubleRepository(id, name, folder);
    await made.commit("main", files);
    return made;
  }

  /** Commits files to a branch, as a person there would; a new one begins at `main`. Returns the commit. */
  async commit(branch: string, files: Record<string, string>): Promise<string> {
    const work = await makeTempFolder();
    const own = await this.sha(branch);
    const known = own ?? (await this.sha("main"));
    await git(["init", "-b", branch], { cwd: work });
    if (known !== null) {
      const from = own === null ? "main" : branch;
      await git(["fetch", this.folder, `refs/heads/${from}`], { cwd: work });
      await git(["reset", "--hard", known], { cwd: work });
    }
    for (const [name, text] of Object.entries(files)) await writeFile(join(work, name), text);
    await git(["add", "-A"], { cwd: work });
    await git(["commit", "-m", "Change files"], { cwd: work, env: author });
    await git(["push", this.folder, `HEAD:refs/heads/${branch}`], { cwd: work });
    const sha = await git(["rev-parse", "HEAD"], { cwd: work });
    await rm(work, { recursive: true });
    this.pushed(branch, sha, "dev");
    return sha;
  }

  /** Rebases a branch onto the newest commit of another, as a person there would. Returns its new commit. */
  async rebase(branch: string, onto = "main"): Promise<string> {
    const run = (args: string[]): Promise<string> => git(args, { cwd: this.folder, env: author });
    const [from, base] = [(await this.sha(branch)) ?? "", (await this.sha(onto)) ?? ""];
    const made = await this.#replay(await run(["rev-list", "--reverse", `${base}..${from}`]), base);
    await run(["update-ref", `refs/heads/${branch}`, made, from]);
    this.pushed(branch, made, "dev");
    return made;
  }

  /** Repeats commits, the oldest first, after another one. Returns the last one that it makes. */
  async #replay(commits: string, onto: string): Promise<string> {
    const run = (args: string[]): Promise<string> => git(args, { cwd: this.folder, env: author });
    let made = onto;
    for (const commit of commits.split("\n")) {
      const from = `--merge-base=${commit}^`;
      const tree = await run(["merge-tree", "--write-tree", from, made, commit]);
      const message = await run(["show", "-s", "--format=%B", commit]);
      made = await run(["commit-tree", tree, "-p", made, "-m", message]);
    }
    return made;
  }

  /** Tells of a new commit on a branch. */
  pushed(branch: string, sha: string, login: string): void {
    this.onEvent({ kind: "push", branch, sha, login });
    for (const pull of this.pulls) {
      if (pull.state === "open" && pull.head === branch) {
        this.onEvent({ kind: "pull", action: "synchronize", pull, login });
      }
    }
  }

  /** Returns the newest commit of each branch. */
  async branches(): Promise<Map<string, string>> {
    const format = "--format=%(refname:lstrip=2) %(objectname)";
    const listed = await git(["for-each-ref", format, "refs/heads"], { cwd: this.folder });
    const lines = listed.split("\n").filter(Boolean);
    return new Map(lines.map((line) => line.split(" ") as [string, string]));
  }

  /** Returns the newest commit of a branch; null without it. */
  async sha(branch: string): Promise<string | null> {
    const { code, stdout } = await runGit(["rev-parse", "-q", "--verify", `refs/heads/${branch}`], {
      cwd: this.folder,
    });
    return code === 0 ? stdout.trim() : null;
  }

  /** Returns the paths of the files of a branch. */
  async files(branch: string): Promise<string[]> {
    const listed = await git(["ls-tree", "-r", "--name-only", branch], { cwd: this.folder });
    return listed.split("\n").filter(Boolean);
  }

  async headOf(pull: DoublePull): Promise<string> {
    return pull.lastHead ?? (await this.sha(pull.head)) ?? "0".repeat(40);
  }

  /** Returns the next number of an issue or a pull request. */
  #nextNumber(of: "issues" | "pulls"): number {
    if (!this.sharesNumbers) return this[of].length + 1;
    return this.issues.length + this.pulls.length + 1;
  }

  async open(
    request: Pick<DoublePull, "title" | "body" | "head" | "base" | "draft">,
    login = "lead",
  ): Promise<DoublePull> {
    const pull: DoublePull = {
      ...request,
      login,
      created: nextTime(),
      number: this.#nextNumber("pulls"),
      state: "open",
      lastHead: null,
      mergedSha: null,
      reviews: [],
      threads: [],
      reviewers: [],
      labels: [],
      comments: [],
    };
    this.pulls.push(pull);
    this.onEvent({ kind: "pull", action: "opened", pull, login });
    return pull;
  }

  pull(number: number): DoublePull | undefined {
    return this.pulls.find((one) => one.number === number);
  }

  issue(number: number): DoubleIssue | undefined {
    return this.issues.find((one) => one.number === number);
  }

  openIssue(title: string, body = "", login = "lead"): DoubleIssue {
    const issue: DoubleIssue = {
      number: this.#nextNumber("issues"),
      title,
      body,
      login,
      state: "open",
      labels: [],
      assignees: [],
      comments: [],
      activity: [],
      updated: nextTime(),
    };
    this.issues.push(issue);
    this.onEvent({ kind: "issue", action: "opened", issue, login });
    return issue;
  }

  /** Labels, assigns, edits or closes an issue as a person does. */
  changeIssue(
    issue: DoubleIssue,
    changes: { label?: string; assignee?: string; body?: string; state?: "open" | "closed" },
    login = "lead",
  ): void {
    const { label, assignee, body, state } = changes;
    if (label !== undefined) issue.labels.push(label);
    if (assignee !== undefined) issue.assignees.push(assignee);
    if (body !== undefined) issue.body = body;
    if (state !== undefined) issue.state = state;
    issue.updated = nextTime();
    const changed = {
      ...(label !== undefined && { label }),
      ...(assignee !== undefined && { assignee }),
    };
    if (Object.keys(changed).length > 0)
      issue.activity.push({ login, ...changed, at: issue.updated });
    const action =
      label !== undefined
        ? "labeled"
        : assignee !== undefined
          ? "assigned"
          : state === "closed"
            ? "closed"
            : "edited";
    this.onEvent({ kind: "issue", action, issue, login });
  }

  comment(on: DoubleIssue | DoublePull, login: string, body: string): DoubleComment {
    const comment = newComment(login, body);
    on.comments.push(comment);
    if ("updated" in on) on.updated = comment.updated;
    this.onEvent({ kind: "comment", action: "created", on, comment, login });
    return comment;
  }

  editComment(on: DoubleIssue | DoublePull, comment: DoubleComment, login: string, body: string) {
    comment.body = body;
    comment.updated = nextTime();
    if ("updated" in on) on.updated = comment.updated;
    this.onEvent({ kind: "comment", action: "edited", on, comment, login });
  }

  review(pull: DoublePull, review: DoubleReview): void {
    const made = { at: nextTime(), ...review };
    pull.reviews.push(made);
    this.onEvent({ kind: "review", pull, review: made, login: made.login });
  }

  openThread(pull: DoublePull, login: string, place: DoublePlace, body: string): DoubleThread {
    const comment = newComment(login, body);
    const thread: DoubleThread = {
      ...place,
      id: comment.id,
      isResolved: false,
      comments: [comment],
    };
    pull.threads.push(thread);
    this.onEvent({ kind: "thread", pull, thread, comment, login });
    return thread;
  }

  reply(pull: DoublePull, thread: DoubleThread, login: string, body: string): DoubleComment {
    const comment = newComment(login, body);
    thread.comments.push(comment);
    this.onEvent({ kind: "thread", pull, thread, comment, login });
    return comment;
  }

  /** Reports a check of a commit as a build does. */
  report(sha: string, check: DoubleCheck): void {
    const others = (this.checks.get(sha) ?? []).filter(({ name }) => name !== check.name);
    this.checks.set(sha, [...others, check]);
    this.onEvent({ kind: "check", sha, check, login: "ci[bot]" });
  }

  setStatus(sha: string, status: DoubleStatus, login: string): void {
    const others = (this.statuses.get(sha) ?? []).filter(({ name }) => name !== status.name);
    this.statuses.set(sha, [...others, status]);
    this.onEvent({ kind: "check", sha, check: status, login });
  }

  checkId(check: DoubleCheck): number {
    const known = this.#checkIds.get(check);
    if (known !== undefined) return known;
    const id = nextId();
    this.#checkIds.set(check, id);
    return id;
  }

  checkOf(id: number): DoubleCheck | undefined {
    return [...this.#checkIds].find(([, known]) => known === id)?.[0];
  }

  async isMergeable(pull: DoublePull): Promise<boolean> {
    const refs = [`refs/heads/${pull.base}`, await this.headOf(pull)];
    return (await runGit(["merge-tree", "--write-tree", ...refs], { cwd: this.folder })).code === 0;
  }

  /** Merges a request as a forge does, and returns the commit. */
  async merge(pull: DoublePull, method: "merge" | "squash" | "rebase"): Promise<string> {
    const cwd = this.folder;
    const base = (await this.sha(pull.base)) ?? "";
    const head = await this.headOf(pull);
    const run = (args: string[]): Promise<string> => git(args, { cwd, env: author });
    let made = base;
    if (method === "rebase") {
      made = await this.#replay(await run(["rev-list", "--reverse", `${base}..${head}`]), base);
    } else {
      const tree = await run(["merge-tree", "--write-tree", base, head]);
      const parents = method === "merge" ? ["-p", base, "-p", head] : ["-p", base];
      made = await run(["commit-tree", tree, ...parents, "-m", pull.title]);
    }
    await run(["update-ref", `refs/heads/${pull.base}`, made, base]);
    Object.assign(pull, { state: "merged", lastHead: head, mergedSha: made });
    this.onEvent({ kind: "pull", action: "closed", pull, login: "lead" });
    this.onEvent({ kind: "push", branch: pull.base, sha: made, login: "lead" });
    return made;
  }

  async close(pull: DoublePull): Promise<void> {
    Object.assign(pull, { lastHead: await this.headOf(pull), state: "closed" });
    this.onEvent({ kind: "pull", action: "closed", pull, login: "lead" });
  }
}

function newComment(login: string, body: string): DoubleComment {
  const at = nextTime();
  return { id: nextId(), login, body, created: at, updated: at };
}
