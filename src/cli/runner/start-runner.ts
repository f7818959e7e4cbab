/** `omoi runner`: executes runs of a server on this machine. */
import { mkdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { pino } from "pino";
import { readSetting } from "#server/config/config.js";
import { settings } from "#server/config/settings.js";
import { lockDataFolder } from "#server/data-folder/data-folder-lock.js";
import { isUuid } from "#shared/uuid.js";
import { startRunner } from "#runner/runner.js";
import { ConfigError } from "#shared/node/config-error.js";
import { MAX_LABELS, runnerLabel, runnerTokenPrefix } from "#shared/execution/runner/protocol.js";
import { runPod } from "./run-pod.js";

interface Options {
  url: string;
  labels: string[];
  slots: number;
  data: string;
  run?: string;
}

/** @param version of this command */
export function addRunner(program: Command, version: string): void {
  program
    .command("runner")
    .description("Execute runs of a server on this machine, until it is stopped")
    .addOption(
      new Option("--url <URL>", "address of the server").env("OMOI_URL").makeOptionMandatory(),
    )
    .addOption(
      new Option("--labels <LABELS>", "comma-separated; it takes runs that need no others")
        .env("OMOI_RUNNER_LABELS")
        .default([], "none")
        .argParser(parseLabels),
    )
    .addOption(
      new Option("--slots <NUMBER>", "runs at once")
        .env("OMOI_RUNNER_SLOTS")
        .default(Math.max(1, Math.floor(availableParallelism() / 2)), "half of the processors")
        .argParser(parseSlots),
    )
    .addOption(
      new Option("--data <DIR>", "folder of repositories and runs")
        .env("OMOI_RUNNER_DATA")
        .default("./runner-data"),
    )
    .addOption(
      new Option("--run <UUID>", "execute only this run, in a pod of a Kubernetes cluster")
        .argParser(parseRun)
        .hideHelp(),
    )
    .addHelpText(
      "after",
      `
OMOI_RUNNER_TOKEN is the token that \`omoi admin runner add\` or the page Installation shows once. The
sandbox has the settings of a server: OMOI_SANDBOX, OMOI_SANDBOX_UIDS, OMOI_SANDBOX_READONLY,
OMOI_AGENT_UID, OMOI_NETWORK_UID, OMOI_FOLDER_DRIVER. SIGTERM ends its runs and sends their work.

Examples:
  OMOI_RUNNER_TOKEN=omoi_runner_… omoi runner --url https://omoi.example.com --labels gpu,linux`,
    )
    .action((options: Options) =>
      options.run === undefined ? run(options, version) : runOne(options, options.run),
    );
}

function parseLabels(text: string): string[] {
  const labels = text
    .split(",")
    .map((label) => label.trim())
    .filter((label) => label !== "");
  for (const label of labels) {
    const { error } = runnerLabel.safeParse(label);
    if (error) throw new InvalidArgumentError(`"${label}": ${error.issues[0]?.message ?? ""}.`);
  }
  if (labels.length > MAX_LABELS) {
    throw new InvalidArgumentError(`Give at most ${MAX_LABELS} labels.`);
  }
  return [...new Set(labels)];
}

function parseSlots(text: string): number {
  const slots = Number(text);
  if (Number.isInteger(slots) && slots >= 1 && slots <= 1000) return slots;
  throw new InvalidArgumentError("Give a whole number from 1 to 1000.");
}

function parseRun(text: string): string {
  if (isUuid(text)) return text.toLowerCase();
  throw new InvalidArgumentError("Give the id of a run.");
}

/** Executes a run in a pod, whose manifest gives the settings. @throws ConfigError */
async function runOne({ url, data }: Options, runId: string): Promise<void> {
  const commandSocket = process.env["OMOI_COMMAND_SOCKET"] ?? "";
  if (commandSocket === "") {
    throw new ConfigError(
      "--run is for the pods that a server makes in a Kubernetes cluster: OMOI_COMMAND_SOCKET is not set; to execute runs on this machine, start a runner without --run",
    );
  }
  await runPod({
    url: addressOf(url),
    token: readToken(),
    runId,
    dataDir: resolve(data),
    commandSocket,
    egressUrl: readEgressUrl(),
    log: pino({ level: readSetting(settings.logLevel) }),
  });
}

/** @throws ConfigError */
function readEgressUrl(): string | null {
  const text = process.env["OMOI_EGRESS_URL"] ?? "";
  if (text === "" || URL.canParse(text)) return text === "" ? null : text;
  throw new ConfigError("OMOI_EGRESS_URL must be the address of a proxy");
}

/** @throws ConfigError */
function readToken(): string {
  const token = process.env["OMOI_RUNNER_TOKEN"] ?? "";
  if (token.startsWith(runnerTokenPrefix)) return token;
  throw new ConfigError(
    `OMOI_RUNNER_TOKEN must be the token of a runner, which begins with ${runnerTokenPrefix}; register one with: omoi admin runner add`,
  );
}

/** @throws ConfigError */
async function run({ url, labels, slots, data }: Options, version: string): Promise<void> {
  const token = readToken();
  const dataDir = resolve(data);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  await lockDataFolder(dataDir, true);
  const log = pino({ level: readSetting(settings.logLevel) });
  const runner = await startRunner({
    url: addressOf(url),
    token,
    labels,
    slots,
    dataDir,
    sandbox: {
      sandbox: readSetting(settings.sandbox),
      agentUid: readSetting(settings.agentUid),
      networkUid: readSetting(settings.networkUid),
      sandboxReadOnly: readSetting(settings.sandboxReadOnly),
    },
    folderDriver: readSetting(settings.folderDriver),
    uids: readSetting(settings.sandboxUids),
    version,
    log,
  });
  const signal = new Promise<NodeJS.Signals>((take) => {
    process.removeAllListeners("SIGINT");
    for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, take);
  });
  try {
    const name = await Promise.race([signal, runner.failed]);
    log.info({ signal: name }, "stopping");
  } catch (error) {
    log.error({ err: error }, "the server does not know this runner");
    throw new ConfigError(
      "The server does not know this runner: it was removed, or OMOI_RUNNER_TOKEN is of another installation; register it again.",
      { cause: error },
    );
  } finally {
    await runner.stop();
  }
}

/** @throws ConfigError */
function addressOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isPlain = url !== null && url.pathname === "/" && url.search === "" && url.hash === "";
  if (!isPlain || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "") {
    throw new ConfigError(
      "--url must be the address of a server, such as https://omoi.example.com",
    );
  }
  return url.origin;
}
