/** Makes the commands of calls from their descriptions. */
import { setTimeout as pause } from "node:timers/promises";
import { type Command, Option } from "commander";
import { ApiError, type Answer, urlOf } from "#shared/contract/call.js";
import type { CallName } from "#shared/contract/client.js";
import { connect, type Connection } from "../connection/connect.js";
import { rejectOthers, send, textOf, writeThrough } from "../connection/http.js";
import { allRows } from "../connection/pages.js";
import { describedCall } from "../contract/calls.js";
import type { CallField, DescribedCall } from "../contract/describe-calls.js";
import { FailedError, UsageError } from "../output/failures.js";
import { note, printItem, printJson, printRows, type Row } from "../output/print.js";
import { confirm } from "./ask.js";
import type { CallCommand } from "./call-command.js";
import { callCommands } from "./call-commands.js";
import {
  bodyOf,
  fieldsFor,
  type Given,
  isFilled,
  numberOf,
  optionName,
  type Options,
  paramsOf,
} from "./call-values.js";
import { addCommon, addTaskProject } from "./common-options.js";

/** Adds the commands of a group, such as `agent`. */
export function addCallCommands(group: Command, name: string): void {
  for (const [call, command] of Object.entries(callCommands) as [CallName, CallCommand][]) {
    if (!("command" in command)) continue;
    const [first, ...words] = command.command.split(" ");
    if (first === name) addCallCommand(group, words.join(" "), call, command);
  }
}

const aliases: Record<string, string> = { list: "ls", delete: "rm", remove: "rm" };

function addCallCommand(group: Command, verb: string, name: CallName, command: CallCommand): void {
  const call = describedCall(name);
  const inPath = call.params.filter((field) => field.name !== "org_id");
  const args = (command.args ?? inPath.map((field) => field.name)).map((given) => ({
    name: given.replace(/\?$/, ""),
    isOptional: given.endsWith("?"),
  }));
  const made = group.command(verb).description(call.summary);
  const alias = aliases[verb];
  if (alias !== undefined) made.alias(alias);
  for (const { name: field, isOptional } of args) {
    const label = optionName(field).toUpperCase();
    made.argument(isOptional ? `[${label}]` : `<${label}>`, descriptionOf(call, field));
  }
  const options = optionsOf(call, new Set(args.map((arg) => arg.name)));
  for (const field of options) addOption(made, withDefault(field, command));
  if (command.ofProject)
    made.option("--project <PROJECT>", "of a project instead of the organization");
  const ofTask = new Set(["task_id", "pull_request_id"]);
  if (call.params.some(({ name: field }) => ofTask.has(field))) addTaskProject(made);
  if (call.isList) made.option("--limit <N>", "at most so many; all by default");
  if (call.body !== null)
    made.option("--body <JSON>", "the whole body as JSON, @FILE, or - for standard input");
  if (command.confirms) made.option("-y, --yes", "do not ask");
  if (command.waits) made.option("--no-wait", "do not wait until it is ready");
  addCommon(made);
  const examples = command.examples ?? [];
  if (examples.length > 0) {
    made.addHelpText("after", `\nExamples:\n${examples.map((one) => `  omoi ${one}`).join("\n")}`);
  }
  made.action(async (...given: unknown[]) => {
    const values = Object.fromEntries(
      args.map((arg, at) => [arg.name, given[at] as string | undefined]),
    );
    const opts = given[args.length] as Options;
    await runCall(name, command, call, values, opts);
  });
}

/** The fields that are options: of the query and the body. */
function optionsOf(call: DescribedCall, args: ReadonlySet<string>): CallField[] {
  const ofPages = new Set(call.isList ? ["limit", "cursor"] : []);
  return [...call.query, ...(call.body ?? [])].filter(
    ({ name }) => !args.has(name) && !ofPages.has(name) && !isFilled(call, name),
  );
}

function withDefault(field: CallField, { defaults }: CallCommand): CallField {
  const value = defaults?.[field.name];
  if (value === undefined) return field;
  return { ...field, description: `${field.description}; by default ${value}` };
}

/** Arguments that are seldom given as the ids of the call. */
const namedArguments: Record<string, string> = {
  task_id: "its number, such as 12 or shop#12, or its id",
  pull_request_id: "its id, or the number of its task, such as 12 or shop#12",
  forge_id: "its name, or its id",
  attempt_id: "its number within the task, or its id",
};

function descriptionOf({ params, query, body }: DescribedCall, field: string): string {
  return (
    namedArguments[field] ??
    [...params, ...query, ...(body ?? [])].find(({ name }) => name === field)?.description ??
    ""
  );
}

function addOption(command: Command, field: CallField): void {
  const { name, type, isList, isNullable, values, description } = field;
  const flag = `--${optionName(name)}`;
  const hints = [
    description,
    isList ? "may be repeated" : "",
    isNullable ? "null for none" : "",
  ].filter((part) => part !== "");
  if (type === "boolean" && !isList) {
    command.option(flag, hints[0]).addOption(new Option(`--no-${optionName(name)}`).hideHelp());
    return;
  }
  if (!isList && values?.join() === "true,false") {
    command.addOption(new Option(`${flag} [VALUE]`, hints[0]).choices(values));
    return;
  }
  const option = new Option(
    `${flag} <${type === "json" ? "JSON" : type === "number" ? "N" : "VALUE"}>`,
    hints.join("; "),
  );
  if (isList) option.argParser((value: string, before?: string[]) => [...(before ?? []), value]);
  else if (values && !isNullable) option.choices(values);
  command.addOption(option);
}

async function runCall(
  name: CallName,
  command: CallCommand,
  call: DescribedCall,
  values: Record<string, string | undefined>,
  opts: Options,
): Promise<void> {
  const { project } = opts as { project?: string };
  if (command.ofProject !== undefined && project !== undefined) {
    const { ofProject } = command;
    const inProject = { ...values, project_id: project };
    const rest = { ...command };
    delete rest.ofProject;
    return runCall(ofProject, rest, describedCall(ofProject), inProject, opts);
  }
  if (command.ofOrganization !== undefined && Object.values(values)[0] === undefined) {
    const { ofOrganization, columns = [], ...rest } = command;
    requireOptionsOf(describedCall(ofOrganization), call, opts);
    const named = { ...rest, columns: columns.toSpliced(1, 0, "agent_name") };
    return runCall(ofOrganization, named, describedCall(ofOrganization), {}, opts);
  }
  const connection = connect(opts);
  const given: Given = { connection, call, values, opts, command };
  const params = await paramsOf(given);
  const query = await fieldsFor(given, call.query);
  const body = call.body === null ? undefined : await bodyOf(given, call.body);
  if (command.confirms) await confirm(`${call.summary}.`, opts);
  const request = { params, query, ...(body !== undefined && { body }) };
  if (call.media.length > 0) return printText(connection, call, request, opts);
  const [resource = "", one = ""] = name.split(".");
  const calls = connection.api as unknown as Record<string, Record<string, AnyCall>>;
  const send = calls[resource]?.[one] as AnyCall;
  if (call.isList) {
    const most = opts.limit === undefined ? undefined : numberOf("limit", opts.limit);
    const rows = await allRows<Row>(
      (page) => send({ ...request, query: { ...query, ...page } }) as Promise<Answer<Row[]>>,
      most,
    );
    printRows(rows, command.columns ?? call.fields.slice(0, 6), opts);
    return;
  }
  const { data: made } = await send(request);
  const data =
    command.waits === true && opts.wait !== false ? await whenReady(connection, made as Row) : made;
  if (data === undefined) note("Done.");
  else (command.print ?? printItem)(data as Row, opts);
}

/** @throws UsageError for an option that only the call for one agent has */
function requireOptionsOf(wide: DescribedCall, narrow: DescribedCall, opts: Options): void {
  const known = new Set(wide.query.map(({ name }) => name));
  const unknown = narrow.query.find(({ name }) => !known.has(name) && opts[name] !== undefined);
  if (unknown) throw new UsageError(`--${optionName(unknown.name)} needs an agent.`);
}

const READY_MS = 200;

/** Waits for the end of a project's import. @throws FailedError with the reason if it fails */
async function whenReady({ api }: Connection, project: Row): Promise<Row> {
  const params = { project_id: project["id"] as string };
  for (;;) {
    const { data } = await api.projects.get({ params });
    if (data.status === "ready") return data;
    if (data.status === "failed")
      throw new FailedError(`The import failed: ${data.error ?? "unknown"}`);
    await pause(READY_MS);
  }
}

type AnyCall = (request: unknown) => Promise<Answer<unknown>>;

/** Prints an answer that may be text, such as CSV. */
async function printText(
  connection: Connection,
  { method, path }: DescribedCall,
  request: object,
  opts: Options,
): Promise<void> {
  const response = await send(connection, urlOf({ method, path }, request), {
    method,
    headers: { accept: "*/*" },
  });
  const isJson = /\bjson\b/.test(response.headers["content-type"] ?? "");
  if (response.statusCode === 200 && !isJson) return writeThrough(response);
  const text = await textOf(response);
  rejectOthers(connection.url, response, text);
  if ((response.statusCode ?? 0) >= 400) {
    throw new ApiError(JSON.parse(text) as ConstructorParameters<typeof ApiError>[0]);
  }
  if (opts.json === true) printJson(JSON.parse(text));
  else printItem(JSON.parse(text) as Row, opts);
}
