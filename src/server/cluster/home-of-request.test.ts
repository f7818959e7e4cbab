import { expect, test } from "vitest";
import type { Endpoint } from "#shared/contract/endpoint.js";
import { api } from "#shared/api/index.js";
import { homeParameterOf } from "./home-of-request.js";

const calls = Object.entries(api).flatMap(([resource, endpoints]) =>
  Object.entries(endpoints as Record<string, Endpoint>).map(([name, endpoint]) => ({
    call: `${resource}.${name}`,
    endpoint,
  })),
);

/** Fields that name something of one project. */
const isOfProject = (field: string): boolean =>
  /^((.*_)?(project|agent|run|session|merge|merge_request|protection_change|workspace|build|commit|check|environment)_id|sha)$/.test(
    field,
  );
const fieldsOf = (schema: unknown): string[] => {
  const { shape, unwrap } = (schema ?? {}) as { shape?: object; unwrap?: () => unknown };
  if (shape) return Object.keys(shape);
  return unwrap ? fieldsOf((schema as { unwrap: () => unknown }).unwrap()) : [];
};

/** Calls about something of a project that any node handles, with the reason. */
const anywhere: Record<string, string> = {
  "auth.session": "a session of a person",
  "auth.endSession": "a session of a person",
  "agents.list": "rows of the database",
  "agents.create": "writes rows only; the workspace is a call of its own",
  "members.add": "rows of the database",
  "apiKeys.create": "rows of the database",
  "runs.listAll": "rows of the database",
  "runs.timeline": "rows of the database",
  "agentSessions.listAll": "rows of the database",
  "projectMoves.start": "adds a row, which both servers follow",
  "projectMoves.get": "rows of the database",
  "projectMoves.cancel": "rows of the database",
  "overview.work": "asks the homes of the listed agents",
};

test("every call about something of a project goes to its home, or is listed with a reason", () => {
  const unlisted = calls.filter(
    ({ call, endpoint: { params, query, body, ...endpoint } }) =>
      [params, query, body].some((part) => fieldsOf(part).some(isOfProject)) &&
      homeParameterOf(endpoint) === null &&
      !(call in anywhere),
  );
  expect(unlisted.map(({ call }) => call)).toEqual([]);
});

test("no call is listed in vain", () => {
  for (const call of Object.keys(anywhere)) {
    const found = calls.find((candidate) => candidate.call === call);
    expect([call, found && homeParameterOf(found.endpoint)]).toEqual([call, null]);
  }
});

test("a parameter of a project in a path is the one that finds its home", () => {
  for (const { call, endpoint } of calls) {
    const parameter = homeParameterOf(endpoint);
    if (parameter !== null)
      expect([call, endpoint.path]).toEqual([call, expect.stringContaining(`{${parameter}}`)]);
  }
  expect(calls.filter(({ endpoint }) => homeParameterOf(endpoint) !== null).length).toBeGreaterThan(
    60,
  );
});
