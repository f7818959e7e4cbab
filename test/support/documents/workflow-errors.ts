import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type * as Parser from "@actions/workflow-parser";
import { rolldown } from "rolldown";

let parser: Promise<typeof Parser> | undefined;

/** Loads GitHub's parser of workflows as a bundle: it imports JSON as only bundlers accept it. */
async function load(): Promise<typeof Parser> {
  const file = join(tmpdir(), `omoi-workflow-parser-${process.pid}.mjs`);
  const bundle = await rolldown({ input: "@actions/workflow-parser", platform: "node" });
  await bundle.write({ file, format: "esm" });
  await bundle.close();
  const loaded = (await import(pathToFileURL(file).href)) as typeof Parser;
  await rm(file);
  return loaded;
}

/** Returns the errors that GitHub reports about a workflow. */
export async function workflowErrors(content: string): Promise<string[]> {
  const { NoOperationTraceWriter, parseWorkflow } = await (parser ??= load());
  const { context } = parseWorkflow(
    { name: "workflow.yml", content },
    new NoOperationTraceWriter(),
  );
  return context.errors.getErrors().map(({ message }) => message);
}
