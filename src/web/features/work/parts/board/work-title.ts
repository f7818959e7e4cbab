import type { AgentWork } from "#shared/api/work/overview.js";
import { presetTitles } from "#shared/execution/run-choices.js";
import { visible } from "../../../../ui/text/plain-text.js";
import { runTitle } from "../../../execution/parts/runs/run-title.js";

type Titled = Pick<NonNullable<AgentWork["current"]>, "title" | "command" | "preset">;

/** Describes a run in one line: its session or prompt, or its command. */
export function workTitle({ title, command, preset }: Titled): string {
  if (title === null) return runTitle({ command, preset });
  const text = visible(title);
  return preset === null || preset === "custom" ? text : `${presetTitles[preset]}: ${text}`;
}
