/** `omoi diff` and `omoi conflicts`. */
import type { Command } from "commander";
import type { Diff } from "#shared/api/code/commits.js";
import { ApiError, urlOf } from "#shared/contract/call.js";
import { connect } from "../connection/connect.js";
import { send, textOf } from "../connection/http.js";
import { findAgent, findProject, organizationIdOf } from "../connection/names.js";
import { allRows } from "../connection/pages.js";
import { describedCall } from "../contract/calls.js";
import { warn, note, printJson, printRows, writeLine } from "../output/print.js";
import { hasColors, styled } from "../output/style.js";
import { plain } from "../output/values.js";
import { addCommon, type CommonOptions } from "./common-options.js";

interface DiffOptions extends CommonOptions {
  commit?: string;
  stat?: boolean;
}

export function addComparisons(program: Command): void {
  addCommon(
    program
      .command("diff")
      .description("Show what an agent has changed against its base branch")
      .argument("<AGENT>", "its name or id")
      .option("--commit <SHA>", "of one commit of its workspace")
      .option("--stat", "only how much of each file"),
  ).action(showDiff);
  addCommon(
    program
      .command("conflicts")
      .description("Show which workspaces would conflict, before anyone merges")
      .argument("[PROJECT]", "by default all projects of the organization"),
  ).action(showConflicts);
}

async function showDiff(name: string, options: DiffOptions): Promise<void> {
  const connection = connect(options);
  const { id: agent_id } = await findAgent(connection, name);
  if (options.commit !== undefined) {
    const where = urlOf(describedCall("workspaces.diff"), {
      params: { agent_id, sha: options.commit },
    });
    const accept =
      options.json === true || options.stat === true ? "application/json" : "text/x-diff";
    const response = await send(connection, where, { method: "GET", headers: { accept } });
    const text = await textOf(response);
    if (response.statusCode !== 200) {
      throw new ApiError(JSON.parse(text) as ConstructorParameters<typeof ApiError>[0]);
    }
    if (accept === "text/x-diff") return printPatch(text);
    return printDiff(JSON.parse(text) as Diff, options);
  }
  const { data } = await connection.api.workspaces.changes({ params: { agent_id } });
  const diff = ("diff" in data ? data.diff : data) as Diff;
  printDiff(diff, options);
}

function printDiff(diff: Diff, { json, stat, quiet }: DiffOptions): void {
  if (json === true) return printJson(diff);
  if (quiet === true) return diff.files.forEach(({ path }) => writeLine(path));
  if (stat === true) {
    printRows(
      diff.files.map(({ path, status, additions, deletions }) => ({
        path,
        status,
        "+": additions,
        "-": deletions,
      })),
      ["path", "status", "+", "-"],
      {},
    );
    return;
  }
  for (const { path, patch, truncated } of diff.files) {
    printPatch(patch ?? `Binary file ${path}\n`);
    if (truncated)
      warn(
        `The patch of ${plain(path)} is cut because of its size; git diff in a clone has all of it.`,
      );
  }
}

function printPatch(patch: string): void {
  for (const line of patch.replace(/\n$/, "").split("\n")) {
    if (!process.stdout.isTTY && !hasColors()) writeLine(line);
    else {
      const text = plain(line, "field");
      const style = /^(diff|index|---|\+\+\+)/.test(line)
        ? "bold"
        : line.startsWith("@@")
          ? "cyan"
          : line.startsWith("+")
            ? "green"
            : line.startsWith("-")
              ? "red"
              : null;
      writeLine(style === null ? text : styled(style, text));
    }
  }
}

async function showConflicts(name: string | undefined, options: CommonOptions): Promise<void> {
  const connection = connect(options);
  const { api } = connection;
  const projects =
    name === undefined
      ? await allRows(async (query) =>
          api.projects.list({
            query: { ...query, organization_id: await organizationIdOf(connection) },
          }),
        )
      : [await findProject(connection, name)];
  const found = await Promise.all(
    projects
      .filter(({ status }) => status === "ready")
      .map(async ({ id: project_id, slug }) => {
        const { data } = await api.radar.project({ params: { project_id } });
        return data.pairs.map((pair) => ({
          project: slug,
          one: pair.one.agent_name ?? pair.one.branch_name,
          other: pair.other.agent_name ?? pair.other.branch_name,
          conflicts: pair.total_conflicts,
          files: pair.conflicts.flatMap(({ paths }) => paths),
        }));
      }),
  );
  const rows = found.flat();
  if (rows.length === 0 && options.json !== true) return note("No conflicts are ahead.");
  printRows(rows, ["project", "one", "other", "conflicts", "files"], options);
}
