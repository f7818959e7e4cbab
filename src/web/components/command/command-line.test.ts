import fc from "fast-check";
import { expect, test } from "vitest";
import { lineOf, shownInLine, wordsOf } from "./command-line.js";

test.each([
  ["npm test", ["npm", "test"]],
  [`claude -p "fix the tests"`, ["claude", "-p", "fix the tests"]],
  [String.raw`a\ b 'c "d"' "e \"f\"" ''`, ["a b", `c "d"`, `e "f"`, ""]],
  ["a'b'\"c\"", ["abc"]],
  ["  ", []],
])("%j is taken apart", (line, words) => {
  expect(wordsOf(line)).toEqual({ words });
});

test.each(["a | b", "echo $HOME", 'echo "$HOME"', "echo `id`", "ls *.ts", "a 'b", 'a "b', "a \\"])(
  "%j is refused",
  (line) => {
    expect(wordsOf(line)).toEqual({ error: expect.any(String) as string });
  },
);

test.each([
  [["echo", "it's"], `echo "it's"`],
  [["echo", `say "it's"`], String.raw`echo "say \"it's\""`],
  [["echo", "$HOME's"], String.raw`echo "\$HOME's"`],
  [["echo", `"a" 'b'`], String.raw`echo "\"a\" 'b'"`],
])("%j uses the shorter quotes", (words, line) => {
  expect(lineOf(words)).toBe(line);
});

test("words survive a round trip through a command line", () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (words) => {
      expect(wordsOf(lineOf(words))).toEqual({ words });
    }),
  );
});

test("a multi-line command is shown in one line with invisible characters written out", () => {
  expect(shownInLine(["sh", "-c", "one\n\ttwo\r\nthree\u202e"])).toBe(
    "sh -c 'one ⏎  two ⏎ three⟨U+202E⟩'",
  );
});
