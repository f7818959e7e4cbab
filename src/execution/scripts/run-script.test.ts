import { expect, test } from "vitest";
import { createMasker } from "../logs/mask-secrets.js";
import { safeMessage } from "./run-script.js";

test("a message has one line, no control characters, no secrets and at most 200 characters", () => {
  const masker = createMasker(["correct horse"], "omoi_");
  expect(safeMessage("a\nb\u001b[2J\u202e correct horse\u0000", masker)).toBe("a b [2J ***");
  const cut = safeMessage("x".repeat(500), masker);
  expect(cut).toHaveLength(200);
  expect(cut).toMatch(/^x+…$/);
});
