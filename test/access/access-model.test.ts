import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiError, type Client } from "#shared/contract/client.js";
import { permissionNames, type Permission } from "#shared/permissions.js";
import { AccessModel, readRows, type Caller, type Rows } from "../support/access/model.js";
import { responseTo, modelRequests, type ModelRequest } from "../support/access/requests.js";
import { changeForStep, pickFrom, step, type Step } from "../support/access/steps.js";
import { sharedTestApp, type TestApp, type TestPerson } from "../support/server/app.js";
import { databaseUrlOf } from "../support/database/queries.js";
import { clientOf, startServer, type ServerProcess } from "../support/server/server-process.js";
import { rounds } from "../support/thorough.js";

/*
 * Three people, the service accounts of their organizations and two server processes, each with its own caches. After every random change, each
 * response is compared with the database: immediately on the process that made the change; on the
 * other one immediately if the call revokes access, otherwise once it has received the
 * notification.
 */

const stepsInRun = rounds({ thorough: 100, else: 75 });
const runs = rounds({ thorough: 1500, else: 75 }) / stepsInRun;

let app: TestApp;
let database: pg.Client;
let people: TestPerson[];
const servers: { process: ServerProcess; url: string }[] = [];

beforeAll(async () => {
  app = await sharedTestApp();
  people = [await app.person("a"), await app.person("b"), await app.person("c")];
  const env = {
    OMOI_DATABASE_URL: databaseUrlOf(app),
    OMOI_SECRET: app.config.secret,
    OMOI_DATA_DIR: app.dataDir,
  };
  for (const process of [startServer(env), startServer(env)])
    servers.push({ process, url: await process.ready });
  database = new pg.Client({ ...app.owner, options: "-c app.system=on" });
  await database.connect();
});
afterAll(async () => {
  await database.end();
  for (const { process } of servers) process.process.kill("SIGTERM");
  await Promise.all(servers.map(({ process }) => process.ended));
});

test("every response after a change matches the database", async () => {
  const steps = fc.array(step, { minLength: stepsInRun, maxLength: stepsInRun });
  await fc.assert(fc.asyncProperty(steps, playAnew), { numRuns: runs, endOnFailure: true });
  // On a busy machine, a process may serve without caches for a while.
  const isExpected = (line: string): boolean => line === "" || line.includes("hears no changes");
  for (const { process } of servers) {
    const lines = process.stderr().split("\n");
    expect(lines.filter((line) => !isExpected(line))).toEqual([]);
  }
}, 900_000);

/** @throws the error unless it is an error response of the server */
function refused(error: unknown): { status: number } {
  if (error instanceof ApiError) return { status: error.problem.status };
  throw error;
}

/** Plays the steps with people who have no organizations and no keys. */
async function playAnew(steps: Step[]): Promise<void> {
  const ids = people.map(({ id }) => id);
  await database.query("delete from memberships where user_id = any($1)", [ids]);
  await database.query("delete from api_keys where user_id = any($1)", [ids]);
  for (const person of people) {
    const body = { refresh_token: person.refreshToken };
    const { data } = await app.client().auth.refresh({ body });
    [person.token, person.refreshToken] = [data.access_token, data.refresh_token];
  }
  await app.db.changes.syncAll();
  const game = new Game();
  for (const [number, step] of steps.entries()) {
    await game.play(step).catch((error: unknown) => {
      throw new Error(`step ${number}, ${step.kind}`, { cause: error });
    });
  }
}

let names = 0;

class Game {
  readonly #clients = servers.map(
    ({ url }) => new Map(people.map(({ id, token }) => [id, clientOf(url, token)])),
  );
  readonly #orgIds: string[] = [];
  /** Keys by id, with a client for each process. */
  readonly #keys = new Map<string, { text: string; clients: Client[] }>();
  #rows: Rows | undefined;

  async play(step: Step): Promise<void> {
    const before = (this.#rows ??= await this.#read());
    const clients = this.#clients[step.process] as Map<string, Client>;
    const newName = (): string => `name-${(names += 1)}`;
    const change = changeForStep(step, { rows: before, clients, newName });
    const noise = step.isBusy ? this.#questions(before, step, 1 - step.process) : [];
    const asked = Promise.all(noise.map(responseTo));
    const outcome: { status: number; data?: unknown } = await change.run().catch(refused);
    await asked;
    expect(outcome.status).toBeLessThan(500);
    if (outcome.status === 201 && change.answers !== undefined) {
      const { id, key } = outcome.data as { id: string; key?: string };
      if (key === undefined) this.#orgIds.push(id);
      else this.#keys.set(id, { text: key, clients: servers.map(({ url }) => clientOf(url, key)) });
    }
    this.#rows = await this.#read();
    await this.#compare(this.#rows, step, step.process);
    if (!change.revokes) await app.db.changes.syncAll();
    await this.#compare(this.#rows, step, 1 - step.process);
  }

  #read(): Promise<Rows> {
    return readRows(
      database,
      people.map(({ id }) => id),
      this.#orgIds,
    );
  }

  async #compare(rows: Rows, step: Step, process: number): Promise<void> {
    const questions = this.#questions(rows, step, process);
    const got = await Promise.all(questions.map(responseTo));
    expect(got).toEqual(questions.map(({ what, expected }) => ({ what, ...expected })));
  }

  /** Every person's list, and some further questions to a process. */
  #questions(rows: Rows, { asked }: Step, process: number): ModelRequest[] {
    const model = new AccessModel(rows);
    const clients = this.#clients[process] as Map<string, Client>;
    const of = (who: number): [Caller, Client] => {
      const { id } = people[who % people.length] as TestPerson;
      return [{ userId: id, key: null }, clients.get(id) as Client];
    };
    const lists = people.map((_, who) => modelRequests.list(model, ...of(who)));
    const others = [modelRequests.me(model, ...of(asked.who))];
    const orgId = pickFrom(rows.organizations, asked.org)?.id;
    const permission = pickFrom(permissionNames, asked.permission) as Permission;
    if (orgId !== undefined) {
      others.push(
        ...people.map((_, who) => modelRequests.check(model, ...of(who), orgId, permission)),
        modelRequests.get(model, ...of(asked.who), orgId),
        modelRequests.members(model, ...of(asked.who + 1), orgId),
      );
    }
    const key = pickFrom(rows.keys.filter(({ id }) => this.#keys.has(id)).slice(-6), asked.key);
    if (key) {
      const { text, clients: own } = this.#keys.get(key.id) as { text: string; clients: Client[] };
      const byKey = own[process] as Client;
      const caller = { userId: key.user_id, key };
      others.push(modelRequests.list(model, caller, byKey), modelRequests.me(model, caller, byKey));
      if (orgId !== undefined) {
        others.push(
          modelRequests.get(model, caller, byKey, orgId),
          modelRequests.check(model, caller, byKey, orgId, permission),
        );
        // A service account has no session to ask with.
        const owner = clients.get(key.user_id);
        if (owner) others.push(modelRequests.verify(model, key, text, owner, orgId, permission));
      }
    }
    const first = asked.first % others.length;
    return [...lists, ...others.slice(first), ...others.slice(0, first)].slice(0, 7);
  }
}
