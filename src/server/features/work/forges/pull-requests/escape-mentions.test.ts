import { expect, test } from "vitest";
import { escapeMentions } from "./escape-mentions.js";

test("mentions and commands of forges lose their effect, and nothing else changes", () => {
  expect(escapeMentions("Ask @lead and @acme/team, then\n/merge\n  /assign @me")).toBe(
    "Ask @\u200blead and @\u200bacme/team, then\n\u200b/merge\n  \u200b/assign @\u200bme",
  );
  expect(escapeMentions("(@lead)\n> /close")).toBe("(@\u200blead)\n> \u200b/close");
  const plain = "Mail a@example.com, see src/total.ts and 1 / 2.";
  expect(escapeMentions(plain)).toBe(plain);
});
