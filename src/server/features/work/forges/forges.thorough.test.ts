// Thorough: the other kinds of forges, and many imports at once.
import { expect, test } from "vitest";
import { waitUntilReady } from "#test/support/fixtures/projects.js";
import {
  owner,
  orgId,
  double,
  start,
  params,
  connect,
  prepareConnections,
  describeConnections,
} from "#test/support/forges/connections.js";

prepareConnections();
describeConnections(["gitlab", "gitea"]);

test("ten repositories become projects at once", async () => {
  await start("gitea");
  const names = Array.from({ length: 10 }, (_, at) => `many/app-${at}`);
  for (const name of names) await double.addRepository(name, { "a.txt": `${name}\n` });
  const { id } = await connect("gitea");
  const made = await Promise.all(
    names.map((name) =>
      owner.api.projects.create({
        body: { organization_id: orgId, name: "App", forge_id: id, repository: name },
      }),
    ),
  );
  const ready = await Promise.all(made.map(({ data }) => waitUntilReady(owner, data.id)));
  expect(ready.map(({ upstream }) => upstream?.repository?.name)).toEqual(names);
  expect(new Set(ready.map(({ slug }) => slug)).size).toBe(10);
  expect(
    (await owner.api.forges.get({ params: { ...params(), forge_id: id } })).data.projects,
  ).toBe(10);
});
