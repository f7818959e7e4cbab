import { beforeAll, expect, test } from "vitest";
import {
  makeOrganization,
  makeProject,
  makeProjectWith,
} from "#test/support/fixtures/factories.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";

let app: TestApp;
let owner: TestPerson;
let orgId: string;
beforeAll(async () => {
  app = await sharedTestApp();
  owner = await app.person("Ada");
  orgId = (await makeOrganization(owner)).id;
});

test("files of the default branch are found by words of their paths, misspelled, too", async () => {
  const project = await makeProjectWith(owner, orgId, {
    "src/invoice/total.ts": "",
    "src/invoice/total/rounding.test.ts": "",
    "docs/Größe.md": "",
    "docs/端数処理.md": "",
    "README.md": "",
  });
  const find = async (q: string): Promise<string[]> => {
    const { data } = await owner.api.projects.files({
      params: { project_id: project.id },
      query: { q },
    });
    return data.map(({ path }) => path);
  };
  expect(await find("total")).toEqual([
    "src/invoice/total.ts",
    "src/invoice/total/rounding.test.ts",
  ]);
  expect(await find("ts rounding")).toEqual(["src/invoice/total/rounding.test.ts"]);
  expect(await find("ronuding")).toEqual(["src/invoice/total/rounding.test.ts"]);
  expect(await find("groesse")).toEqual(["docs/Größe.md"]);
  expect(await find("grösse")).toEqual(["docs/Größe.md"]);
  expect(await find("端数")).toEqual(["docs/端数処理.md"]);
  expect(await find("REDAME")).toEqual(["README.md"]);
  expect(await find("nothing like it")).toEqual([]);

  const params = { project_id: project.id };
  const first = await owner.api.projects.files({ params, query: { q: "total", limit: 1 } });
  const cursor = /cursor=([^&>]+)/.exec(first.headers.get("link") ?? "")?.[1];
  const second = await owner.api.projects.files({
    params,
    query: { q: "total", limit: 1, cursor },
  });
  expect(second.data).toEqual([{ path: "src/invoice/total/rounding.test.ts" }]);
});

test("a project without commits has no files", async () => {
  const project = await makeProject(owner, orgId);
  const { data } = await owner.api.projects.files({
    params: { project_id: project.id },
    query: { q: "a" },
  });
  expect(data).toEqual([]);
});
