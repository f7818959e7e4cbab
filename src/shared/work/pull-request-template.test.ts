import { expect, test } from "vitest";
import {
  bodyTemplateProblem,
  branchTemplateProblem,
  defaultBodyTemplate,
  defaultBranchTemplate,
  renderTemplate,
} from "./pull-request-template.js";

test.each([
  "omoi/{{task.title}}-{{task.number}}",
  "omoi/{{task.slug}}",
  "omoi/../{{task.number}}",
  "omoi//{{task.number}}",
  "omoi/{{task.number}}.lock",
  "workspace-{{task.number}}",
  "refs/heads/{{task.number}}",
  "-{{task.number}}",
  "omoi/{{task.number}} x",
  "",
])("%j is no template of branches", (template) => {
  expect(branchTemplateProblem(template)).not.toBeNull();
});

test("the usual templates have no problem", () => {
  expect(branchTemplateProblem(defaultBranchTemplate)).toBeNull();
  expect(bodyTemplateProblem(defaultBodyTemplate)).toBeNull();
  expect(bodyTemplateProblem("{{secrets.KEY}}")).toContain("has no field {{secrets.KEY}}");
});

test("values are not filled in again, and empty ones leave no paragraph", () => {
  const values = { summary: "As {{task.url}} says", checks: "", "task.number": "3" };
  expect(renderTemplate("{{ summary }}\n\n{{checks}}\n\n#{{task.number}}", values)).toBe(
    "As {{task.url}} says\n\n#3",
  );
});
