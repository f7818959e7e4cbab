import type { Run } from "#shared/api/execution/runs.js";
import { presetTitles } from "#shared/execution/run-choices.js";
import { visible } from "../../../../ui/text/plain-text.js";
import { shownInLine } from "../../../../components/command/command-line.js";

/** Describes what a run runs, in one line: the program and the prompt, or the command. */
export function runTitle({
  command,
  preset,
  prompt = null,
}: Pick<Run, "command" | "preset"> & { prompt?: string | null }): string {
  if (command === null) return "Leased run";
  if (preset === null || preset === "custom") return shownInLine(command);
  const title = presetTitles[preset];
  return prompt === null ? title : `${title}: ${visible(prompt.replaceAll(/\s+/g, " "))}`;
}
