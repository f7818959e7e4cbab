// Thorough: random ledgers compared with a naive count, and hundreds of runs.
import fc from "fast-check";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { insertPastRuns } from "#test/support/database/past-runs.js";

type UsageAnswer = Awaited<ReturnType<TestPerson["api"]["usage"]["get"]>>["data"];

const daysOf = ({ rows = [] }: UsageAnswer) => rows.filter((row) => "date" in row);
const agentsOf = ({ rows = [] }: UsageAnswer) => rows.filter((row) => "agent_id" in row);
const projectsOf = ({ rows = [] }: UsageAnswer) => rows.filter((row) => "agents" in row);
const units = (hours: number): number => Math.round(hours * 10_000);
const unitsIn = (rows: readonly { runtime_hours: number }[]): number =>
  rows.reduce((sum, row) => sum + units(row.runtime_hours), 0);

describe("usage of a month", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let agent: Agent;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
  });
  beforeEach(async () => {
    org = await makeOrganization(owner);
    project = await makeProject(owner, org.id);
    agent = await makeAgent(owner, project.id);
  });

  const usage = async (period?: string, by?: "agent" | "project" | "day") =>
    (await owner.api.usage.get({ params: { org_id: org.id }, query: { period, by } })).data;

  test("a hundred concurrent runs are a peak of a hundred, however many follow one another", async () => {
    const agents = await Promise.all(
      Array.from({ length: 100 }, () => makeAgent(owner, project.id)),
    );
    const at = (minute: number): string => new Date(Date.UTC(2025, 6, 4, 23, minute)).toISOString();
    await insertPastRuns(
      app,
      org.id,
      agents.flatMap(({ id: agentId }, index) => [
        { agentId, from: at(index - 100), to: at(10) },
        // Starts when the previous run stops and continues into the next day.
        { agentId, from: at(10), to: at(61 + index) },
        { agentId, from: at(70 + index), to: at(70 + index) },
      ]),
    );
    const days = daysOf(await usage("2025-07", "day")).slice(2, 6);
    expect(days.map((day) => day.peak_concurrent_agents)).toEqual([0, 100, 100, 0]);
    const { rows } = await usage("2025-07", "project");
    expect(rows).toMatchObject([{ agents: 100, runs: 300 }]);
  });

  test("rows of any ledger add up to the total and agree with a naive count", async () => {
    const second = await makeAgent(owner, project.id);
    const third = await makeAgent(owner, (await makeProject(owner, org.id)).id);
    const agents = [agent, second, third];
    const [start, end] = [Date.UTC(2024, 1), Date.UTC(2024, 2)];
    const day = 86_400_000;
    const time = fc.oneof(
      fc.integer({ min: start - 3 * day, max: end + 3 * day }),
      fc.integer({ min: -3, max: 32 }).map((number) => start + number * day),
      fc.integer({ min: start, max: start + 2000 }),
    );
    const length = fc.oneof(
      fc.integer({ min: 0, max: 1000 }),
      fc.integer({ min: 0, max: 40 * day }),
      fc.constantFrom(0, day),
    );
    const ledger = fc.array(fc.record({ who: fc.integer({ min: 0, max: 2 }), time, length }), {
      maxLength: 40,
    });
    const within = (run: { time: number; length: number }, from: number, to: number): number =>
      Math.max(0, Math.min(run.time + run.length, to) - Math.max(run.time, from));
    // Intervals are half-open: a run that stops when another starts does not overlap it. Empty runs
    // count for 1 ms.
    const isThere = (run: { time: number; length: number }, at: number): boolean =>
      run.time <= at && at < run.time + Math.max(run.length, 1);

    await fc.assert(
      fc.asyncProperty(ledger, async (runs) => {
        await queryAsOwner(app, "delete from runs where org_id = $1", [org.id]);
        await insertPastRuns(
          app,
          org.id,
          runs.map(({ who, time, length }) => ({
            agentId: (agents[who] as Agent).id,
            from: new Date(time).toISOString(),
            to: new Date(time + length).toISOString(),
          })),
        );
        await queryAsOwner(
          app,
          "update organizations set created_at = '2024-01-01' where id = $1",
          [org.id],
        );
        const answer = await usage("2024-02", "day");
        const total = units(answer.runtime_hours.current);
        const sumOf = (some: typeof runs): number =>
          some.reduce((sum, run) => sum + within(run, start, end), 0);
        expect(total).toBe(Math.round(sumOf(runs) / 360));

        const days = daysOf(answer);
        expect(unitsIn(days)).toBe(total);
        days.forEach((row, index) => {
          const [from, to] = [start + index * day, start + (index + 1) * day];
          const exact = runs.reduce((sum, run) => sum + within(run, from, to), 0);
          expect(Math.abs(units(row.runtime_hours) - exact / 360)).toBeLessThan(1);
          const instants = [from, ...runs.map((run) => run.time)].filter(
            (at) => at >= from && at < to,
          );
          const counts = instants.map((at) => runs.filter((run) => isThere(run, at)).length);
          expect([row.date, row.peak_concurrent_agents]).toEqual([row.date, Math.max(...counts)]);
        });

        const byAgent = agentsOf(await usage("2024-02", "agent"));
        const byProject = projectsOf(await usage("2024-02", "project"));
        expect([unitsIn(byAgent), unitsIn(byProject)]).toEqual([total, total]);
        for (const { project_id, runtime_hours } of byProject) {
          const members = byAgent.filter((row) => row.project_id === project_id);
          expect(unitsIn(members)).toBe(units(runtime_hours));
        }
        agents.forEach(({ id }, who) => {
          const own = runs.filter((run) => run.who === who);
          const row = byAgent.find(({ agent_id }) => agent_id === id);
          const exact = sumOf(own) / 360;
          expect(Math.abs(units(row?.runtime_hours ?? 0) - exact)).toBeLessThan(1);
          const counted = own.filter(
            (run) => run.time < end && (run.time >= start || run.time + run.length > start),
          );
          expect(row?.runs ?? 0).toBe(counted.length);
        });
      }),
      { numRuns: 40 },
    );
  });
});
