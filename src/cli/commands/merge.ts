/** `omoi merge AGENT`. */
import type { Command } from "commander";
import type { Merge } from "#shared/api/code/merges.js";
import { connect } from "../connection/connect.js";
import { findAgent } from "../connection/names.js";
import { UsageError } from "../output/failures.js";
import { printItem, printRows, writeLine } from "../output/print.js";
import { plain } from "../output/values.js";
import { addCommon, type CommonOptions } from "./common-options.js";

interface MergeOptions extends CommonOptions {
  into?: string;
  strategy?: string;
  message?: string;
  preview?: boolean;
  queue?: boolean;
}

/** `omoi merge AGENT`, beside the commands about merges. */
export function addMerge(group: Command): void {
  addCommon(
    group
      .argument("[AGENT]", "the agent whose work is merged")
      .option("--into <BRANCH>", "the target; by default the base branch")
      .option("--strategy <STRATEGY>", "how conflicts are decided; by default the workspace's")
      .option("-m, --message <TEXT>", "the message of the merge; by default the agent's task")
      .option("--preview", "only show what would happen")
      .option("--queue", "put it into the merge queue"),
  )
    .addHelpText(
      "after",
      `
Examples:
  omoi merge worker-1 --preview
  omoi merge worker-1 -m 'Add the login page'
  omoi merge worker-1 --queue`,
    )
    .action(merge);
}

async function merge(name: string | undefined, options: MergeOptions): Promise<void> {
  if (name === undefined) throw new UsageError("Name the agent: omoi merge AGENT.");
  const connection = connect(options);
  const { api } = connection;
  const { id: agent_id } = await findAgent(connection, name);
  const { into, strategy, message } = options;
  const wanted = {
    ...(into !== undefined && { target_branch: into }),
    ...(strategy !== undefined && { strategy: strategy as never }),
  };
  const params = { agent_id };
  if (options.preview === true) {
    const { data } = await api.workspaces.previewMerge({ params, body: wanted });
    return printMerge(data, options, "would be");
  }
  const body = { ...wanted, ...(message !== undefined && { message }) };
  if (options.queue === true) {
    const { data } = await api.workspaces.createMerge({ params, body: { ...body, queue: true } });
    return printItem(data, options);
  }
  const { data } = await api.workspaces.createMerge({ params, body });
  printMerge(data, options, "were");
}

function printMerge(done: Merge, options: MergeOptions, verb: string): void {
  if (options.json === true || options.quiet === true) return printItem({ ...done }, options);
  const { source_branch, target_branch, status, resolutions, merge_commit_sha } = done;
  const between = `${plain(source_branch)} into ${plain(target_branch)}`;
  if (status === "up_to_date") return writeLine(`Nothing of ${between} is missing.`);
  const commit = merge_commit_sha === null ? "" : ` as ${merge_commit_sha.slice(0, 12)}`;
  writeLine(merge_commit_sha === null ? `A merge of ${between}:` : `Merged ${between}${commit}.`);
  if (resolutions.length === 0) return writeLine("No conflicts.");
  writeLine(`${resolutions.length} conflicts ${verb} decided:`);
  printRows(
    resolutions.map(({ paths, kind, winner, rule }) => ({ files: paths, kind, winner, rule })),
    ["files", "kind", "winner", "rule"],
    {},
  );
}
