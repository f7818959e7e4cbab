/** `omoi automation pause` and `resume`. */
import type { Command } from "commander";
import type { Automation } from "#shared/api/work/automations.js";
import { addCommon, type CommonOptions } from "../commands/common-options.js";
import { connect } from "../connection/connect.js";
import { findProject, valueOf } from "../connection/names.js";
import { printItem } from "../output/print.js";

/** The commands of automations that are written by hand. */
export function addAutomationWork(group: Command): void {
  const command = (name: string, description: string, status: Automation["status"]): void => {
    addCommon(
      group
        .command(name)
        .description(description)
        .argument("<PROJECT>", "its slug, name or id")
        .argument("<AUTOMATION>", "its name or id"),
    )
      .addHelpText(
        "after",
        `\nExamples:\n  omoi automation ${name} shop 'Weekly dependency update'`,
      )
      .action((project: string, automation: string, options: CommonOptions) =>
        setStatus(project, automation, { ...options, status }),
      );
  };
  command("pause", "Pause an automation", "paused");
  command("resume", "Let an automation fire again", "active");
}

async function setStatus(
  projectText: string,
  text: string,
  { status, ...options }: CommonOptions & { status: Automation["status"] },
): Promise<void> {
  const connection = connect(options);
  const project = await findProject(connection, projectText);
  const project_id = project.id;
  const automation_id = await valueOf(connection, "automation_id", text, { project_id });
  const params = { project_id, automation_id };
  const { data } = await connection.api.automations.update({ params, body: { status } });
  printItem(data, options);
}
