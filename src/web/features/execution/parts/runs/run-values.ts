import type { Preset } from "#shared/api/execution/presets.js";
import type { NewRun, Run } from "#shared/api/execution/runs.js";
import type { PresetName } from "#shared/execution/run-choices.js";
import { lineOf, wordsOf } from "../../../../components/command/command-line.js";
import { type EnvRow, envOf } from "./start/env-fields.js";

/** The values of the form that starts a run. */
export interface RunValues {
  preset: PresetName;
  prompt: string;
  model: string;
  kind: "command" | "script";
  line: string;
  script: string;
  env: readonly EnvRow[];
  minutes: string;
  network: "none" | "restricted" | "full";
  /** One host per line. */
  hosts: string;
  /** Labels that the runner must have, separated by commas; for a remote workspace. */
  labels: string;
  queue: boolean;
}

/** What the form starts from. */
export interface RunSource {
  presets: readonly Preset[];
  /** The hosts that the project's environment allows; null for any. */
  projectHosts: readonly string[] | null;
  /** The text of the agent's task. */
  task: string | null;
  /** The run that is edited. */
  run: Run | null;
  /** A prompt for an agent without a task. */
  prompt?: string;
  /** Whether the network of the run can be restricted. */
  canRestrict?: boolean;
}

/**
 * The network and hosts that a preset starts with; those of the project replace the preset's hosts. A
 * program that calls a model needs a network.
 */
export function networkOf(
  preset: Preset | undefined,
  { projectHosts, canRestrict = true }: Pick<RunSource, "projectHosts" | "canRestrict">,
): Pick<RunValues, "network" | "hosts"> {
  const isCustom = preset === undefined || preset.name === "custom";
  const hosts = projectHosts ?? (isCustom ? [] : preset.hosts);
  const network = isCustom ? "none" : canRestrict ? "restricted" : "full";
  return { network, hosts: hosts.join("\n") };
}

export function valuesOf(source: RunSource): RunValues {
  const { presets, task, run, prompt = "" } = source;
  const first = presets.find(({ name, available }) => available && name !== "custom");
  const blank: RunValues = {
    preset: first?.name ?? "custom",
    prompt: task ?? prompt,
    model: "",
    kind: "command",
    line: "",
    script: "",
    env: [],
    minutes: "",
    ...networkOf(first, source),
    labels: "",
    queue: false,
  };
  if (run === null) return blank;
  const { command, network, timeout_seconds, env_names } = run;
  return {
    ...blank,
    preset: run.preset ?? "custom",
    prompt: run.prompt ?? blank.prompt,
    model: run.model ?? "",
    ...(run.prompt === null && command !== null && commandValues(command)),
    env: env_names.map((name, index) => ({ key: index + 1, name, value: "" })),
    minutes: timeout_seconds === null ? "" : String(timeout_seconds / 60),
    network: network ?? "none",
    hosts: (run.allowed_hosts ?? []).join("\n"),
    labels: (run.runner_labels ?? []).join(", "),
  };
}

function commandValues(command: readonly string[]): Partial<RunValues> {
  const [program, option, script, ...rest] = command;
  const isScript = program === "sh" && option === "-c" && script !== undefined;
  if (isScript && rest.length === 0) return { kind: "script", script };
  return { kind: "command", line: lineOf(command) };
}

/** Returns the variables of a repeated run whose values were not entered again. */
export function missingValues(values: RunValues, run: Run | null): string[] {
  const again = new Set(run?.env_names);
  return values.env.flatMap(({ name, value }) => (value === "" && again.has(name) ? [name] : []));
}

/** Returns the body of the request. */
export function bodyOf(values: RunValues): NewRun {
  const { preset, prompt, model, network, hosts, queue, env, minutes } = values;
  const labels = labelsOf(values.labels);
  return {
    ...(preset === "custom"
      ? { command: commandOf(values) }
      : { preset, prompt, ...(model.trim() !== "" && { model: model.trim() }) }),
    network,
    ...(network === "restricted" && { allowed_hosts: hostsOf(hosts) }),
    ...(labels.length > 0 && { runner_labels: labels }),
    queue,
    ...(env.length > 0 && { env: envOf(env) }),
    ...(minutes.trim() !== "" && { timeout_seconds: Math.round(Number(minutes) * 60) }),
  };
}

/** Returns the hosts in a text, separated by commas or white space. */
export const hostsOf = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean);

/** Returns the labels in a text, separated by commas or spaces. */
export const labelsOf = (text: string): string[] => [
  ...new Set(
    text
      .toLowerCase()
      .split(/[\s,]+/)
      .filter(Boolean),
  ),
];

function commandOf({ kind, line, script }: RunValues): string[] {
  if (kind === "script") return script.trim() === "" ? [] : ["sh", "-c", script];
  const parsed = wordsOf(line);
  return "words" in parsed ? parsed.words : [];
}

/** Returns the request that repeats a run; its variables are not stored. */
export function bodyOfRun(run: Run): NewRun {
  const { preset, prompt, model, command, network, allowed_hosts, timeout_seconds, runner_labels } =
    run;
  return {
    ...(preset !== null && { preset }),
    ...(prompt === null ? { command: command ?? [] } : { prompt }),
    ...(model !== null && { model }),
    ...(network !== null && { network }),
    ...(network === "restricted" && { allowed_hosts: allowed_hosts ?? [] }),
    ...(timeout_seconds !== null && { timeout_seconds }),
    ...(runner_labels !== null && runner_labels.length > 0 && { runner_labels }),
  };
}

/** A demo that needs no other program than a shell. */
export const demoScript = `echo "Reading the project…"
ls
printf '# Hello\\n\\nWritten by an agent.\\n' > hello.md
echo "Wrote hello.md."
`;
