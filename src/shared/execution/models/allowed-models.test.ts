import { expect, test } from "vitest";
import { isAllowedModel } from "./allowed-models.js";

test.each([
  ["gpt-5", "gpt-5", true],
  ["gpt-5", "gpt-5-mini", false],
  ["gpt-5", "GPT-5", false],
  ["gpt-5*", "gpt-5", true],
  ["gpt-5*", "gpt-5-mini", true],
  ["*", "", true],
  ["*-mini", "gpt-5-mini", true],
  ["*-mini", "gpt-5-mini-2025", false],
  ["claude-*-4-*", "claude-sonnet-4-5", true],
  ["claude-*-4-*", "claude-4-5", false],
  ["a*a", "a", false],
  ["a*b*b", "ab", false],
  ["a*b*b", "abb", true],
  ["a**b", "ab", true],
  ["openai/*", "openai/gpt-5", true],
  ["g.t-5", "gpt-5", false],
])("the pattern %s and the model %s: %s", (pattern, model, isAllowed) => {
  expect(isAllowedModel([pattern], model)).toBe(isAllowed);
});

test("without a list all models are allowed, by an empty one none", () => {
  expect(isAllowedModel(null, "gpt-5")).toBe(true);
  expect(isAllowedModel([], "gpt-5")).toBe(false);
});
