import { expect, test } from "vitest";
import { commentHead, readReviewPrompt, reviewIntro } from "./review-prompt.js";

const intro = reviewIntro({
  author: "Bea",
  number: 7,
  title: "Round (half even)",
  commit: "a".repeat(40),
});

test("the prompt of a review is recognized, with its text and the number of its comments", () => {
  const taskId = "0198c0de-0000-7000-8000-000000000001";
  const prompt = [
    intro,
    "Almost there.",
    `${commentHead(1, 2)}a.ts, line 3 (thread x)`,
    "Bea: Why?",
    `${commentHead(2, 2)}a.ts, line 9 (thread y)`,
    `list_review_threads {task_id: "${taskId}", resolved: false} lists what is open.`,
  ].join("\n\n");
  expect(readReviewPrompt(prompt)).toEqual({ body: "Almost there.", comments: 2, taskId });
  expect(readReviewPrompt(intro)).toEqual({ body: "", comments: 0, taskId: null });
});

test("other prompts are no reviews", () => {
  expect(readReviewPrompt("Bea has reviewed your work")).toBeNull();
  expect(readReviewPrompt(`Hello\n${intro}`)).toBeNull();
  expect(readReviewPrompt("## Comment 1 of 2: a.ts")).toBeNull();
});
