import type { AttentionKind, Task, TaskStatus } from "#shared/api/work/tasks.js";
import type { ErrorCode } from "#shared/errors.js";

/** What the scripted agent does in a turn, with the prompt that makes it do so. */
export const turns = {
  question: () => "say Should refunds round the same way?",
  words: () => "say All is well.",
  file: (nth: number) => `write file-${nth}.txt new`,
  permission: () => "ask",
  crash: () => "crash",
  error: () => "fail",
  endless: () => "wait",
} as const satisfies Record<string, (nth: number) => string>;
export type Turn = keyof typeof turns;

type State =
  | "working"
  | "permission"
  | "question"
  | "no_changes"
  | "ready"
  | "failed"
  | "stopped"
  | "merged";

interface ModelAttempt {
  number: number;
  firstTurn: Turn;
  state: State;
  isArchived: boolean;
  hasMerged: boolean;
  /** Whether its branch has changes that are not merged. */
  isChanged: boolean;
  /** Whether its program runs. */
  isAlive: boolean;
}

export interface ModelTask {
  number: number;
  owner: string;
  assignees: string[];
  labels: string[];
  priority: Task["priority"];
  dependsOn: number[];
  resolution: "done" | "cancelled" | null;
  /** What starts once the dependencies are done. */
  pending: { turn: Turn; count: number } | null;
  attempts: ModelAttempt[];
  chosen: number | null;
}

export interface NewModelTask {
  owner: string;
  assignees: string[];
  labels: string[];
  priority: Task["priority"];
  dependsOn: number[];
  /** Null for a task that does not start. */
  turn: Turn | null;
  count: number;
}

/** Kinds that wait for a person while other attempts work. */
const asking: readonly (AttentionKind | null)[] = ["permission", "question"];
/** The groups of Home, the most urgent first. */
const groups: readonly (readonly AttentionKind[])[] = [
  asking as AttentionKind[],
  ["review", "no_changes"],
  ["failed"],
];
const MAX_ATTEMPTS = 8;

export const groupOf = (kind: AttentionKind | null): number => {
  const found = groups.findIndex((kinds) => kind !== null && kinds.includes(kind));
  return found === -1 ? groups.length : found;
};

const kindOf = ({ state }: ModelAttempt): AttentionKind | null => {
  if (state === "ready") return "review";
  if (state === "working" || state === "stopped" || state === "merged") return null;
  return state;
};

export type Refusal = ErrorCode | null;

/**
 * The tasks of a project as the contract describes them, in memory. Each change returns the code with which the server
 * refuses it, or null.
 */
export class TaskModel {
  readonly tasks: ModelTask[] = [];

  get(number: number): ModelTask {
    return this.tasks[number - 1] as ModelTask;
  }

  create({ turn, count, ...fields }: NewModelTask): void {
    this.tasks.push({
      ...fields,
      number: this.tasks.length + 1,
      resolution: null,
      pending: turn === null ? null : { turn, count },
      attempts: [],
      chosen: null,
    });
    this.#startDue();
  }

  update(
    { number }: ModelTask,
    fields: Partial<Pick<ModelTask, "owner" | "assignees" | "labels" | "priority">>,
  ): void {
    Object.assign(this.get(number), fields);
  }

  depend(task: ModelTask, dependsOn: number[]): Refusal {
    if (dependsOn.some((number) => this.#waitsFor(number, task.number))) return "task_cycle";
    task.dependsOn = dependsOn;
    this.#startDue();
    return null;
  }

  finish(task: ModelTask): void {
    if (task.resolution === "done") return;
    // Finishing a canceled task records another end; its attempts stay archived.
    if (task.resolution === "cancelled") task.chosen = null;
    this.#resolve(task, "done");
  }

  reopen(task: ModelTask): void {
    if (task.resolution === "cancelled") task.chosen = null;
    task.resolution = null;
  }

  cancel(task: ModelTask): Refusal {
    if (task.resolution === "done") return "task_finished";
    this.#resolve(task, "cancelled");
    for (const attempt of task.attempts) archive(attempt);
    return null;
  }

  stop(task: ModelTask): void {
    if (task.resolution !== null) return;
    task.pending = null;
    for (const attempt of present(task)) {
      if (attempt.isAlive) stop(attempt);
    }
  }

  retry(task: ModelTask): Refusal {
    if (task.resolution !== null) return "task_finished";
    if (present(task).length === 0) {
      this.#add(task, (task.attempts.at(-1) as ModelAttempt).firstTurn, 1);
      task.chosen = null;
      return null;
    }
    const failed = eligible(task).filter(({ state }) => state === "failed" || state === "stopped");
    if (failed.length === 0) return "nothing_to_retry";
    // Asked to go on, the scripted agent says so.
    for (const attempt of failed) take(attempt, "words");
    return null;
  }

  addAttempts(task: ModelTask, turn: Turn, count: number): Refusal {
    if (task.resolution !== null) return "task_finished";
    if (present(task).length + count > MAX_ATTEMPTS) return "too_many_attempts";
    this.#add(task, turn, count);
    task.chosen = null;
    return null;
  }

  choose(task: ModelTask, number: number): Refusal {
    if (task.chosen === number) return null;
    if (task.resolution !== null) return "task_finished";
    if (task.chosen !== null) return "attempt_chosen";
    if (task.attempts.find((attempt) => attempt.number === number)?.isArchived === true) {
      return "attempt_archived";
    }
    for (const attempt of task.attempts) if (attempt.number !== number) archive(attempt);
    task.chosen = number;
    return null;
  }

  prompt(task: ModelTask, turn: Turn): Refusal {
    if (task.resolution === "cancelled") return "task_finished";
    const attempt = mainOf(task);
    if (!attempt) return "no_attempt";
    task.resolution = null;
    take(attempt, turn);
    return null;
  }

  answer(task: ModelTask): void {
    for (const attempt of asked(task)) take(attempt, "words");
  }

  merge(task: ModelTask): Refusal {
    if (task.resolution !== null) return "task_finished";
    const attempt = mainOf(task);
    if (!attempt) return "no_attempt";
    if (attempt.state === "working") return "run_in_progress";
    Object.assign(attempt, { state: "merged", isChanged: false, hasMerged: true, isAlive: false });
    this.#resolve(task, "done");
    return null;
  }

  status(task: ModelTask): TaskStatus {
    if (task.resolution !== null) return task.resolution;
    const attempts = eligible(task);
    if (attempts.length === 0) {
      const isDone = (number: number): boolean => this.get(number).resolution === "done";
      return task.dependsOn.every(isDone) ? "open" : "waiting";
    }
    const kind = this.attention(task);
    if (asking.includes(kind) || kind === "no_changes") return "needs_you";
    if (attempts.some(({ state }) => state === "working")) return "working";
    if (kind === "review") return "in_review";
    return kind === "failed" ? "failed" : "open";
  }

  /** The most urgent kind. What an attempt has reached can wait for the others; what it asks cannot. */
  attention(task: ModelTask): AttentionKind | null {
    if (task.resolution !== null) return null;
    const attempts = eligible(task);
    if (attempts.length === 0) {
      const isLost = task.dependsOn.some((number) => this.get(number).resolution === "cancelled");
      return isLost ? "failed" : null;
    }
    const works = attempts.some(({ state }) => state === "working");
    const order = groups.flat();
    const kinds = new Set(attempts.map(kindOf));
    return order.find((kind) => kinds.has(kind) && (!works || asking.includes(kind))) ?? null;
  }

  /** The rows of Home: one for each task, and one for each request for a permission. */
  rows(): string[] {
    return this.tasks.flatMap((task) => {
      const kind = this.attention(task);
      const requests = asked(task).map(() => `#${task.number} permission`);
      return [
        ...(kind === null || kind === "permission" ? [] : [`#${task.number} ${kind}`]),
        ...requests,
      ];
    });
  }

  actions(task: ModelTask): Record<"prompt" | "stop" | "retry" | "attempt" | "cancel", boolean> {
    const isOpen = task.resolution === null;
    const attempts = present(task);
    return {
      prompt: task.resolution !== "cancelled" && attempts.length > 0,
      stop:
        isOpen &&
        attempts.some(
          ({ state, isAlive }) => state === "working" || (state === "permission" && isAlive),
        ),
      retry:
        isOpen &&
        (attempts.length === 0 ||
          attempts.some(({ state }) => state === "failed" || state === "stopped")),
      attempt: isOpen && attempts.length < MAX_ATTEMPTS,
      cancel: isOpen,
    };
  }

  #resolve(task: ModelTask, resolution: "done" | "cancelled"): void {
    task.resolution = resolution;
    task.pending = null;
    for (const attempt of task.attempts) {
      if (attempt.state === "working" || attempt.state === "permission") stop(attempt);
      attempt.isAlive = false;
    }
    this.#startDue();
  }

  #add(task: ModelTask, turn: Turn, count: number): void {
    for (let nth = 0; nth < count; nth += 1) {
      const attempt: ModelAttempt = {
        number: task.attempts.length + 1,
        firstTurn: turn,
        state: "working",
        isArchived: false,
        hasMerged: false,
        isChanged: false,
        isAlive: true,
      };
      task.attempts.push(attempt);
      take(attempt, turn);
    }
  }

  #startDue(): void {
    for (const task of this.tasks) {
      const { pending } = task;
      if (pending === null || task.resolution !== null) continue;
      if (task.dependsOn.some((number) => this.get(number).resolution !== "done")) continue;
      task.pending = null;
      this.#add(task, pending.turn, pending.count);
    }
  }

  #waitsFor(number: number, wanted: number): boolean {
    return (
      number === wanted || this.get(number).dependsOn.some((other) => this.#waitsFor(other, wanted))
    );
  }
}

/** The attempts that are not archived. */
export const present = ({ attempts }: ModelTask): ModelAttempt[] =>
  attempts.filter(({ isArchived }) => !isArchived);

/** The attempts that decide about the task: the chosen one, or all. */
const eligible = (task: ModelTask): ModelAttempt[] =>
  present(task).filter(({ number }) => task.chosen === null || task.chosen === number);

/** The chosen or only attempt. */
export const mainOf = (task: ModelTask): ModelAttempt | undefined => {
  const attempts = eligible(task);
  return attempts.length === 1 ? attempts[0] : undefined;
};

/** The attempts that ask for a permission. */
export const asked = (task: ModelTask): ModelAttempt[] =>
  present(task).filter(({ state, isAlive }) => state === "permission" && isAlive);

export const statusOf = ({
  state,
  isArchived,
  hasMerged,
}: ModelAttempt): Task["attempts"][number]["status"] => {
  if (isArchived) return hasMerged ? "merged" : "archived";
  if (state === "permission" || state === "question" || state === "no_changes") return "needs_you";
  return state;
};

/** Ends a turn of an attempt. */
function take(attempt: ModelAttempt, turn: Turn): void {
  attempt.isAlive = turn !== "crash";
  if (turn === "file") attempt.isChanged = true;
  attempt.state = (
    {
      question: "question",
      words: attempt.isChanged ? "ready" : "no_changes",
      file: "ready",
      permission: "permission",
      crash: "failed",
      error: "failed",
      endless: "working",
    } as const
  )[turn];
}

function stop(attempt: ModelAttempt): void {
  attempt.state = "stopped";
  attempt.isAlive = false;
}

function archive(attempt: ModelAttempt): void {
  attempt.isArchived = true;
  attempt.isAlive = false;
}
