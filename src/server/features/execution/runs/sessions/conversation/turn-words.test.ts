import { expect, test } from "vitest";
import { createTurnWords, readTurnEnd } from "./turn-words.js";

const asIs = (text: string): string => text;

test.each([
  ["Should refunds round the same way?", true, "Should refunds round the same way?"],
  ["I read it.\n\nShould it round **the same way?**", true, "Should it round **the same way?**"],
  ["返金も同じように丸めますか？", true, "返金も同じように丸めますか？"],
  ["読みました。同じように丸めますか？", true, "読みました。同じように丸めますか？"],
  [
    "Sollen Erstattungen gleich gerundet werden?",
    true,
    "Sollen Erstattungen gleich gerundet werden?",
  ],
  ["Ist das z. B. für Größen so?", true, "Ist das z. B. für Größen so?"],
  ["هل نقرب المبالغ بالطريقة نفسها؟", true, "هل نقرب المبالغ بالطريقة نفسها؟"],
  ["Which one?\n- `a`\n- `b`", false, "Which one?"],
  ["Done. Is it good? Yes, it is.", false, "Done. Is it good? Yes, it is."],
  ["# Summary\n\nI changed the file.", false, "Summary"],
  ["What now? \n\n", true, "What now?"],
  ["?", true, "?"],
  ["   ", false, null],
  ["", false, null],
])("%j ends a turn", (words, asks, message) => {
  const end = readTurnEnd(words);
  expect(end.asks).toBe(asks);
  expect(end.message).toBe(message);
});

test("only words after the last tool call count, and at most their last 4 000", () => {
  const words = createTurnWords();
  words.add("Shall I? ");
  words.addTool("a");
  words.add("Done.");
  words.addTool("a");
  expect(words.end(asIs)).toEqual({ message: "Done.", asks: false });
  words.clear();
  for (let count = 0; count < 100; count += 1) words.add("x".repeat(1000));
  words.add(" Really?");
  const end = words.end(asIs);
  expect(end.asks).toBe(true);
  expect(end.message?.length).toBeLessThanOrEqual(300);
});
