import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  attentionKinds,
  taskPriorities as priorities,
  taskSorts as sorts,
  taskStatuses,
} from "#shared/api/work/tasks.js";
import { ApiError } from "#shared/contract/client.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  asked,
  mainOf,
  type ModelTask,
  present,
  type Refusal,
  type Turn,
  turns,
} from "#test/support/tasks/task-model.js";
import {
  agree,
  endWorld,
  home,
  idOf,
  makeWorld,
  readOf,
  type World,
} from "#test/support/tasks/task-world.js";

/*
 * Random actions of two people on the tasks of a project, with real agents, beside a model in memory: after each, both
 * agree on every task, on Home and on filtered lists. A failure prints its seed; OMOI_TASK_SEED repeats it.
 */
const seed = Number(process.env["OMOI_TASK_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const MAX_TASKS = 5;
const MAX_LIVE = 6;
const labels = ["money", "ui"] as const;
const turnNames = Object.keys(turns) as Turn[];

let app: TestApp;
let observer: TestPerson;
let people: [TestPerson, TestPerson];
beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required", OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
  const made = await Promise.all(["Ada", "Grace", "Edsger"].map(personWithKey));
  const [first, ...rest] = made as [TestPerson, TestPerson, TestPerson];
  observer = first;
  people = rest;
});
afterAll(() => app.close());

/** An access token would expire before the last sequence. */
async function personWithKey(name: string): Promise<TestPerson> {
  const person = await app.person(name);
  const { data: key } = await person.api.apiKeys.create({ body: { name: "random" } });
  return { ...person, api: app.client(key.key as string) };
}

const kinds = [
  ...Array.from({ length: 4 }, () => "create" as const),
  ...Array.from({ length: 3 }, () => "prompt" as const),
  ...Array.from({ length: 2 }, () => "snooze" as const),
  ...(["update", "depend", "finish", "reopen", "cancel", "stop", "retry"] as const),
  ...(["attempts", "choose", "answer", "merge", "merge"] as const),
];
type Kind = (typeof kinds)[number];

const step = fc.record({
  kind: fc.constantFrom<Kind[]>(...kinds),
  at: fc.nat(),
  by: fc.nat({ max: 1 }),
  turn: fc.constantFrom(...turnNames),
  other: fc.nat(),
  few: fc.subarray([0, 1, 2, 3, 4]),
  label: fc.subarray([...labels]),
  priority: fc.constantFrom(...priorities),
  count: fc.constantFrom(1, 1, 1, 2),
  starts: fc.constantFrom(true, true, false),
  status: fc.subarray([...taskStatuses, "unfinished" as const], { minLength: 1 }),
  attention: fc.constantFrom(...attentionKinds, "any" as const),
  filter: fc.subarray(["status", "mine", "label", "attention"]),
  sort: fc.constantFrom(...sorts),
});
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

test("tasks agree with a model of the contract after any actions", async () => {
  const run = fc.asyncProperty(
    fc.array(step, { minLength: 8, maxLength: 16, size: "max" }),
    async (steps) => {
      const world = await makeWorld({ observer, people });
      try {
        for (const one of steps) {
          await take(world, one);
          await agree(world, { ...one, label: one.label[0] ?? labels[0] });
        }
      } catch (error) {
        throw new Error(`After ${world.history.join(", ")}`, { cause: error });
      } finally {
        await endWorld(world);
      }
    },
  );
  const numRuns = 20;
  // Each run takes seconds: a failure is printed as it is.
  await fc.assert(run, { seed, numRuns, endOnFailure: true });
}, 3_600_000);

/** Does an action on the server and in the model; both refuse it, or neither. */
async function take(world: World, one: Step): Promise<void> {
  const { model } = world;
  const { api } = people[one.by] as TestPerson;
  if (one.kind === "snooze") return snooze(world, one);
  if (one.kind === "create" || model.tasks.length === 0) return create(world, one);
  const task = model.tasks[one.at % model.tasks.length] as ModelTask;
  const params = { task_id: idOf(world, task.number) };
  world.history.push(`${one.kind} #${task.number} (${one.turn})`);
  const expectSame = async (expected: Refusal, call: () => Promise<unknown>): Promise<void> => {
    expect([one.kind, task.number, await codeOf(call)]).toEqual([one.kind, task.number, expected]);
  };
  const live = model.tasks.flatMap(({ attempts }) => attempts.filter(({ isAlive }) => isAlive));
  const mayStart = live.length + one.count <= MAX_LIVE;
  switch (one.kind) {
    case "update": {
      const [owner] = pick(one.other);
      const fields = {
        owner: owner as string,
        assignees: pick(one.at),
        labels: one.label,
        priority: one.priority,
      };
      model.update(task, fields);
      return expectSame(null, () => api.tasks.update({ params, body: fields }));
    }
    case "depend": {
      const numbers = one.few.map((index) => index + 1).filter((n) => n <= model.tasks.length);
      const body = { depends_on: numbers.map((number) => idOf(world, number)) };
      return expectSame(model.depend(task, numbers), () => api.tasks.update({ params, body }));
    }
    case "finish":
    case "reopen": {
      const status = one.kind === "finish" ? ("done" as const) : ("open" as const);
      model[one.kind](task);
      return expectSame(null, () => api.tasks.update({ params, body: { status } }));
    }
    case "cancel":
      await api.tasks.delete({ params, query: { preview: "true" } });
      return expectSame(model.cancel(task), () => api.tasks.delete({ params }));
    case "stop":
      model.stop(task);
      return expectSame(null, () => api.tasks.stop({ params }));
    case "retry":
      // Without a program, nothing can start.
      if (task.attempts.length === 0 && task.resolution === null) return;
      // The file of a merged attempt is there already.
      if (
        present(task).length === 0 &&
        (!mayStart || task.attempts.some(({ hasMerged }) => hasMerged))
      ) {
        return;
      }
      return expectSame(model.retry(task), () => api.tasks.retry({ params }));
    case "attempts": {
      if (!mayStart) return;
      const prompt = promptOf(world, one.turn);
      const body = { prompt, count: one.count, command: acpAgent() };
      const expected = model.addAttempts(task, one.turn, one.count);
      return expectSame(expected, () => api.tasks.addAttempts({ params, body }));
    }
    case "choose": {
      const { attempts } = readOf(world, task.number);
      const attempt = attempts[one.other % Math.max(1, attempts.length)];
      if (!attempt) return;
      const expected = model.choose(task, attempt.number);
      const of = { ...params, attempt_id: attempt.id };
      return expectSame(expected, () => api.tasks.choose({ params: of }));
    }
    case "prompt": {
      const state = mainOf(task)?.state;
      // A prompt to a program that works waits for the end of its turn.
      if (state === "working" || state === "permission" || !mayStart) return;
      const text = promptOf(world, one.turn);
      return expectSame(model.prompt(task, one.turn), () =>
        api.tasks.prompt({ params, body: { text } }),
      );
    }
    case "answer": {
      if (task.resolution !== null) return;
      const { attempts } = readOf(world, task.number);
      for (const { number } of asked(task)) {
        const of = attempts.find((attempt) => attempt.number === number);
        await answer(api, of?.session_id as string);
      }
      return model.answer(task);
    }
    case "merge":
      if (task.resolution === null && mainOf(task)?.isChanged === false) return;
      if (mainOf(task)?.state === "permission") return;
      return expectSame(model.merge(task), () => api.tasks.merge({ params }));
  }
}

async function create(world: World, one: Step): Promise<void> {
  const { model, project } = world;
  const live = model.tasks.flatMap(({ attempts }) => attempts.filter(({ isAlive }) => isAlive));
  if (model.tasks.length >= MAX_TASKS) return;
  const starts = one.starts && live.length + one.count <= MAX_LIVE;
  const dependsOn = one.few.map((index) => index + 1).filter((n) => n <= model.tasks.length);
  const person = people[one.by] as TestPerson;
  const assignees = pick(one.at);
  const fields = { labels: one.label, priority: one.priority, assignees };
  const made = await project.create(
    promptOf(world, one.turn),
    {
      ...fields,
      attempts: one.count,
      // Half of the tasks depend on nothing.
      ...(one.other % 2 === 0 && { depends_on: dependsOn.map((number) => idOf(world, number)) }),
      start: starts,
    },
    person.api,
  );
  model.create({
    ...fields,
    owner: person.id,
    dependsOn: one.other % 2 === 0 ? dependsOn : [],
    turn: starts ? one.turn : null,
    count: one.count,
  });
  world.read.set(made.number, made);
  const after = made.depends_on.length > 0 ? ` after ${made.depends_on.length} tasks` : "";
  const turn = starts ? `${one.count} × ${one.turn}` : "unstarted";
  world.history.push(`create #${made.number} ${turn}${after}`);
}

async function answer(api: TestPerson["api"], session_id: string): Promise<void> {
  const { data: session } = await api.agentSessions.get({ params: { session_id } });
  const request = session.permissions[0];
  await api.agentSessions.answer({
    params: { session_id, request_id: request?.request_id as string },
    body: { option_id: "yes" },
  });
}

/** Marks a row of a person's Home as done, or snoozes it. */
async function snooze({ project, dismissed }: World, { by, other, starts }: Step): Promise<void> {
  const rows = await home(people[by] as TestPerson, project.orgId);
  const row = rows[other % Math.max(1, rows.length)];
  if (!row) return;
  const params = { org_id: project.orgId, item_key: row.key };
  const until = new Date(Date.now() + 3_600_000).toISOString();
  await (people[by] as TestPerson).api.overview.dismiss({ params, body: starts ? { until } : {} });
  (dismissed[by] as Set<string>).add(row.key);
}

function promptOf(world: World, turn: Turn): string {
  world.prompts += 1;
  return turns[turn](world.prompts);
}

/** Chooses some of the people. */
const pick = (random: number): string[] =>
  random % 3 === 2 ? people.map(({ id }) => id) : [(people[random % 3] as TestPerson).id];

async function codeOf(call: () => Promise<unknown>): Promise<Refusal> {
  try {
    await call();
    return null;
  } catch (error) {
    if (error instanceof ApiError) return error.problem.code;
    throw error;
  }
}
