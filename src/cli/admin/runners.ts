import { type Command, InvalidArgumentError } from "commander";
import { newRunner, type Runner } from "#shared/api/execution/runners.js";
import * as runners from "#server/features/execution/runners/index.js";
import { runnerCommand } from "#shared/execution/runner/runner-command.js";
import { inInstallation, type AdminOptions } from "./open-installation.js";
import { print, shownTime, table } from "./output.js";

/** Adds `omoi admin runner …`. */
export function addRunnerCommands(admin: Command): void {
  const runner = admin
    .command("runner")
    .description("Manage the machines that take runs of remote workspaces, and the cluster")
    .addHelpText(
      "after",
      `
Examples:
  omoi admin runner add gpu-1                 # prints the token once
  omoi admin runner add acme-1 --organization acme
  omoi admin runner pause gpu-1               # it ends its runs and takes no new ones
  omoi admin runner remove gpu-1
  omoi admin runner pause kubernetes          # the cluster; only its servers add it`,
    );
  runner
    .command("list")
    .description("List the runners by name")
    .option("--json", "print JSON")
    .action(listRunners);
  runner
    .command("add")
    .description("Register a runner and print its token")
    .argument("<NAME>", "a name that no other runner has", parseName)
    .option("--organization <SLUG>", "take the runs of this organization alone")
    .option("--json", "print JSON")
    .action(addRunner);
  addChange(runner, "pause", "Give a runner no new runs", {
    work: (context, by) => runners.updateRunner(context, by, { paused: true }),
    done: "is paused; it ends its runs and takes no new ones.",
  });
  addChange(runner, "resume", "Give a paused runner runs again", {
    work: (context, by) => runners.updateRunner(context, by, { paused: false }),
    done: "takes runs.",
  });
  addChange(runner, "remove", "Remove a runner: its token and its runs end at once", {
    work: runners.deleteRunner,
    done: "is removed.",
  });
}

function parseName(text: string): string {
  const { data, error } = newRunner.shape.name.safeParse(text);
  if (data !== undefined) return data;
  throw new InvalidArgumentError(`The name ${error?.issues[0]?.message ?? "is invalid"}.`);
}

function addChange(
  parent: Command,
  name: string,
  summary: string,
  { work, done }: { work: typeof runners.deleteRunner; done: string },
): void {
  parent
    .command(name)
    .description(summary)
    .argument("<RUNNER>", "the runner's name")
    .option("--json", "print JSON")
    .action((of: string, { json }: AdminOptions) =>
      inInstallation(async (installation) => {
        const changed = await work(await installation.adminContext(), { name: of });
        print(json, changed, () => `${changed.name} ${done}`);
      }),
    );
}

async function addRunner(
  name: string,
  { json, organization }: AdminOptions & { organization?: string },
): Promise<void> {
  await inInstallation(async (installation) => {
    const context = await installation.adminContext();
    const created = await runners.createRunner(context, {
      name,
      organization_id:
        organization === undefined
          ? null
          : await runners.readOrganizationId(installation.db, organization),
    });
    print(
      json,
      created,
      () => `${created.name} is registered. Start it on its machine with its token, which is shown only now:

${runnerCommand(context.publicUrl, created.token)}`,
    );
  });
}

async function listRunners({ json }: AdminOptions): Promise<void> {
  await inInstallation(async ({ db }) => {
    const all: Runner[] = [];
    for (;;) {
      const page = await runners.listRunners(db, all.at(-1)?.name ?? null, 200);
      all.push(...page);
      if (page.length < 200) break;
    }
    const rows = all.map((runner) => [
      runner.name,
      runner.kind,
      runner.status === "offline" && runner.paused ? "offline, paused" : runner.status,
      `${runner.running} of ${runner.slots}`,
      runner.labels.join(" "),
      runner.organization_id ?? "all",
      runner.version ?? "",
      runner.host ?? "",
      shownTime(runner.last_seen_at),
      runner.id,
    ]);
    const header = "NAME,KIND,STATUS,RUNS,LABELS,ORGANIZATION,VERSION,HOST,LAST SEEN,ID".split(",");
    print(json, all, () => (rows.length === 0 ? "No runners yet." : table(header, rows)));
  });
}
