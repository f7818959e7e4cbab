import { expect, test } from "vitest";
import {
  learn,
  requestOf,
  roundsOf,
  type SourceName,
  sources,
  type Variables,
} from "./page-data.js";
import { dataOf, pageAt, pages, type PageName } from "./pages.js";

/** Variables that responses tell, beside those of the address. */
const told = ["orgId", "projectId", "readyProjectId", "firstAgentId", "shortSha"];

test("every request of a page has variables of its address, or such that responses tell", () => {
  for (const [name, { path }] of Object.entries(pages)) {
    const { load = [], parts = [] } = dataOf(name as PageName);
    const known: Variables = new Map(
      [...path.matchAll(/\$(\w+)/g)].map(([, word = ""]) => [word, "x"]),
    );
    for (const word of told) known.set(word, "x");
    const unknown = [...load, ...parts].filter((source) => requestOf(source, known) === undefined);
    expect([name, unknown]).toEqual([name, []]);
  }
});

test("requests wait for the responses that tell their variables", () => {
  const { variables: known } = pageAt("/agents/a1/workspace", true);
  const waiting = new Set<SourceName>(["permissions", "agent", "workspace", "project"]);
  const rounds: (string | undefined)[][] = [];
  for (const round of roundsOf(waiting, known)) {
    rounds.push(round.map((source) => requestOf(source, known)));
    learn(known, "agent", { id: "a1", organization_id: "o1", project_id: "p1" });
  }
  expect(rounds).toEqual([
    ["/agents/a1", "/agents/a1/workspace"],
    ["/organizations/o1/permissions", "/projects/p1"],
  ]);
  expect(waiting.size).toBe(0);
});

test("a request whose variables nothing tells is not made", () => {
  const waiting = new Set<SourceName>(["branches"]);
  const known: Variables = new Map([["projectId", "p1"]]);
  learn(known, "project", { id: "p1", status: "importing" });
  expect([...roundsOf(waiting, known)]).toEqual([]);
  learn(known, "project", { id: "p1", status: "ready" });
  expect([...roundsOf(waiting, known)]).toEqual([["branches"]]);
  expect(sources.branches.isSent).toBe(true);
});

test("an unknown object tells nothing", () => {
  const known: Variables = new Map();
  learn(known, "invitation", null);
  expect(known.size).toBe(0);
});
