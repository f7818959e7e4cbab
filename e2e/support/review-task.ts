/// <reference lib="dom" />
import type { Page } from "playwright-core";
import type { Project } from "#shared/api/code/projects.js";
import type { Task } from "#shared/api/work/tasks.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import type { TestApp, TestPerson } from "#test/support/server/app.js";
import { expectAccessible, expectFits } from "./accessible.js";
import { screenshot } from "./browser.js";

interface ReviewTask {
  owner: TestPerson;
  reviewer: TestPerson;
  project: Project;
  task: Task;
}

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, index) => `const line${from + index} = 1;\n`).join("");
const total = `${lines(1, 40)}export const cents = Math.round(amount * 100);\n${lines(42, 80)}`;

/** Makes a task whose scripted agent changes three files; its branch needs an approval. */
export async function makeReviewTask(app: TestApp): Promise<ReviewTask> {
  const owner = await app.person("Ada");
  const reviewer = await app.person("Bea");
  const org = await makeOrganization(owner);
  await owner.api.members.add({
    params: { org_id: org.id },
    body: { user_id: reviewer.id, role_id: systemRoleIds.admin },
  });
  const project = await makeProjectWith(owner, org.id, {
    "src/total.ts": total,
    "src/old.ts": "export const gone = 1;\n",
    "package-lock.json": "{}\n",
  });
  await owner.api.projects.update({
    params: { project_id: project.id },
    body: { protected_branches: [{ pattern: "main", approvals: 1 }] },
  });
  const { data: task } = await owner.api.tasks.create({
    params: { project_id: project.id },
    body: { body: "change", preset: "custom", command: acpAgent() },
  });
  return { owner, reviewer, project, task };
}

/** Takes screenshots in both color schemes and on a phone, and looks for what is inaccessible. */
export async function reviewScreen(shown: Page, name: string): Promise<void> {
  for (const [width, colorScheme] of [
    [1440, "light"],
    [1440, "dark"],
    [390, "light"],
  ] as const) {
    await shown.setViewportSize({ width, height: 900 });
    await shown.emulateMedia({ colorScheme });
    await screenshot(shown, `${name}-${width}-${colorScheme}`);
    await expectFits(shown, `${name}, ${width}`);
    // The bar at the bottom covers a part of what is under it.
    await setBarPosition(shown, "static");
    await expectAccessible(shown, `${name}, ${width}`);
    await setBarPosition(shown, "");
  }
  await shown.setViewportSize({ width: 1440, height: 900 });
  await shown.emulateMedia({ colorScheme: "light" });
}
const setBarPosition = (shown: Page, position: string): Promise<void> =>
  shown.evaluate((value) => {
    document.querySelector<HTMLElement>("[data-bottom-bar]")?.style.setProperty("position", value);
  }, position);
