import { expect, test } from "vitest";
import { modeChange } from "./file-mode.js";

test.each([
  [null, "100644", ""],
  ["000000", "100644", ""],
  ["100644", "000000", ""],
  ["100644", "100644", ""],
  ["100644", "100755", "Mode changed from 100644 (file) to 100755 (executable file)."],
  ["100644", "120000", "Mode changed from 100644 (file) to 120000 (symbolic link)."],
  ["000000", "120000", "Symbolic link: the line is what it points to."],
  ["120000", "120000", "Symbolic link: the line is what it points to."],
  ["160000", "160000", "Submodule: the line is the commit it stands at."],
  ["000000", "100755", "Executable file."],
  ["100755", "100755", ""],
])("%s to %s says %j", (before, after, text) => {
  expect(modeChange(before, after)).toBe(text);
});
