/** Makes the commands of calls from their descriptions. */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { text as readAll } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { type Command, Option } from "commander";
import type { Answer } from "#shared/contract/call.js";
import { ApiError, isSegment, urlOf } from "#shared/contract/call.js";
import type { CallName } from "#shared/contract/call-name.js";
import { connect, type Connection } from "../connection/connect.js";
import { rejectOthers, send, textOf, writeThrough } from "../connection/http.js";
import { isNamed, organizationIdOf, organizationOf, valueOf } from "../connection/names.js";
import { allRows } from "../connection/pages.js";
import { describedCall } from "../contract/calls.js";
import type { CallField, DescribedCall } from "../contract/describe-calls.js";
import { FailedError, UsageError } from "../output/failures.js";
import { note, printItem, printJson, printRows, type Row } from "../output/print.js";
import { callCommands, type CallCommand } from "./call-commands.js";
import { addCommon, type CommonOptions } from "./common-options.js";

/** Adds the commands of a group, such as `agent`. */
export function addCallCommands(group: Command, name: string): void {
  for (const [call, command] of Object.entries(callCommands) as [CallName, CallCommand][]) {
    if (!("command" in command)) continue;
    const [first, ...words] = command.command.split(" ");
    if (first === name) addCallCommand(group, words.join(" "), call, command);
  }
}

interface Options extends CommonOptions {
  limit?: string;
  body?: string;
  yes?: boolean;
  wait?: boolean;
  [option: string]: unknown;
}

function addCallCommand(group: Command, verb: string, name: CallName, command: CallCommand): void {
  const call = describedCall(name);
  const inPath = call.params.filter((field) => field.name !== "org_id");
  const args = (command.args ?? inPath.map((field) => field.name)).map((given) => ({
    name: given.replace(/\?$/, ""),
    isOptional: given.endsWith("?"),
  }));
  const made = group.command(verb).description(call.summary);
  for (const { name: field, isOptional } of args) {
    const label = optionName(field).toUpperCase();
    made.argument(isOptional ? `[${label}]` : `<${label}>`, descriptionOf(call, field));
  }
  const options = optionsOf(call, new Set(args.map((arg) => arg.name)));
  for (const field of options) addOption(made, field);
  if (command.ofProject)
    made.option("--project <PROJECT>", "of a project instead of the organization");
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
    await runCall(name, command, call, options, values, opts);
  });
}

/** The fields that are options: of the query and the body. */
function optionsOf(call: DescribedCall, args: ReadonlySet<string>): CallField[] {
  const ofPages = new Set(call.isList ? ["limit", "cursor"] : []);
  return [...call.query, ...(call.body ?? [])].filter(
    ({ name }) => !args.has(name) && !ofPages.has(name) && !isFilled(call, name),
  );
}

/** Whether the organization of the command is a field of the call. */
function isFilled({ method, query, body, isList }: DescribedCall, field: string): boolean {
  if (field !== "organization_id") return false;
  const isScope = isList && query.some(({ name }) => name === field);
  const isRequired =
    body?.some(({ name, isRequired: needed }) => name === field && needed) ?? false;
  return isScope || (method === "POST" && isRequired);
}

function descriptionOf({ params, query, body }: DescribedCall, field: string): string {
  return (
    [...params, ...query, ...(body ?? [])].find(({ name }) => name === field)?.description ?? ""
  );
}

/** `parent_agent_id` as an option: `parent-agent`. */
const optionName = (field: string): string =>
  (isNamed(field) ? field.replace(/_id$/, "") : field).replaceAll("_", "-");

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
  const option = new Option(
    `${flag} <${type === "json" ? "JSON" : type === "number" ? "N" : "VALUE"}>`,
    hints.join("; "),
  );
  if (isList) option.argParser((value: string, before?: string[]) => [...(before ?? []), value]);
  else if (values && !isNullable) option.choices(values);
  command.addOption(option);
}

/** The name under which commander keeps an option. */
const keyOf = (field: string): string =>
  optionName(field).replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

async function runCall(
  name: CallName,
  command: CallCommand,
  call: DescribedCall,
  options: readonly CallField[],
  values: Record<string, string | undefined>,
  opts: Options,
): Promise<void> {
  const { project } = opts as { project?: string };
  if (command.ofProject !== undefined && project !== undefined) {
    const { ofProject } = command;
    const inProject = { ...values, project_id: project };
    const rest = { ...command };
    delete rest.ofProject;
    return runCall(ofProject, rest, describedCall(ofProject), options, inProject, opts);
  }
  const connection = connect(opts);
  const given: Given = { connection, call, values, opts, command };
  const params = await paramsOf(given);
  const query = await fieldsFor(given, call.query);
  const body = call.body === null ? undefined : await bodyOf(given, call.body, options);
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
  else printItem(data as Row, opts);
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

interface Given {
  connection: Connection;
  call: DescribedCall;
  values: Record<string, string | undefined>;
  opts: Options;
  command: CallCommand;
}

async function paramsOf({ connection, call, values }: Given): Promise<Record<string, string>> {
  const params: Record<string, string> = {};
  for (const { name } of call.params) {
    const value = values[name];
    if (name === "org_id") {
      if (value !== undefined) {
        connection.organization = value;
        connection.organizationId = null;
      }
      params[name] = await organizationOf(connection);
    } else params[name] = await valueOf(connection, name, value ?? "");
    if (!isSegment(params[name])) {
      throw new UsageError(`${optionName(name).toUpperCase()} must not be empty, "." or "..".`);
    }
  }
  return params;
}

/** The values of fields that are arguments or options. */
async function fieldsFor(
  { connection, call, values, opts }: Given,
  fields: readonly CallField[],
): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const field of fields) {
    const { name } = field;
    const given = values[name] ?? opts[keyOf(name)];
    if (given !== undefined && !(name === "limit" && call.isList)) {
      found[name] = await converted(connection, field, given);
    } else if (isFilled(call, name)) found[name] = await organizationIdOf(connection);
  }
  return found;
}

async function bodyOf(
  given: Given,
  fields: readonly CallField[],
  options: readonly CallField[],
): Promise<unknown> {
  const { opts, command, values } = given;
  const whole = opts.body;
  const { stdin } = command;
  if (stdin !== undefined && opts[keyOf(stdin)] === undefined && whole === undefined) {
    opts[keyOf(stdin)] = await secretFromInput(stdin);
  }
  const body = await fieldsFor(given, fields);
  if (whole !== undefined) {
    const parsed = await jsonOf("body", whole);
    return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)
      ? { ...parsed, ...body }
      : parsed;
  }
  const missing = fields.find(({ name, isRequired }) => isRequired && body[name] === undefined);
  if (missing) {
    const isOption =
      options.some(({ name }) => name === missing.name) || values[missing.name] === undefined;
    throw new UsageError(
      `${isOption ? `--${optionName(missing.name)}` : missing.name} is required; --help shows all options.`,
    );
  }
  const isEmpty = Object.keys(body).length === 0;
  const mayBeMissing = fields.every(({ isRequired }) => !isRequired);
  if (isEmpty && fields.length === 0) throw new UsageError("--body is required.");
  return isEmpty && mayBeMissing ? {} : body;
}

/** @throws UsageError for a value of another type */
async function converted(
  connection: Connection,
  field: CallField,
  given: unknown,
): Promise<unknown> {
  const { name, type, isNullable } = field;
  if (typeof given === "boolean") return given;
  if (Array.isArray(given)) {
    const items: unknown[] = [];
    for (const item of given)
      items.push(await converted(connection, { ...field, isList: false }, item));
    return items;
  }
  const text = String(given);
  if (isNullable && text === "null") return null;
  if (type === "number") return numberOf(optionName(name), text);
  if (type === "boolean") return text === "true";
  if (type === "json") return jsonOf(optionName(name), text);
  return valueOf(connection, name, text);
}

function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() === "" || Number.isNaN(value)) throw new UsageError(`--${name} takes a number.`);
  return value;
}

/** Reads JSON from the text, a file (`@FILE`) or standard input (`-`). */
async function jsonOf(name: string, given: string): Promise<unknown> {
  let text = given;
  if (given === "-") text = await readAll(process.stdin);
  else if (given.startsWith("@")) {
    try {
      text = readFileSync(given.slice(1), "utf8");
    } catch (error) {
      throw new UsageError(`--${name}: ${(error as Error).message}`);
    }
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new UsageError(`--${name} takes JSON: ${(error as Error).message}`);
  }
}

/** Reads a secret from a pipe, or as a line that is not shown. */
async function secretFromInput(name: string): Promise<string> {
  if (!process.stdin.isTTY) return (await readAll(process.stdin)).replace(/\r?\n$/, "");
  process.stderr.write(`${name}: `);
  process.stdin.setRawMode(true);
  let text = "";
  try {
    for await (const chunk of process.stdin) {
      for (const character of String(chunk)) {
        if (character === "\r" || character === "\n") return text;
        if (character === "\u0003") process.exit(130);
        text = character === "\u007F" ? text.slice(0, -1) : text + character;
      }
    }
    return text;
  } finally {
    process.stdin.setRawMode(false);
    process.stdin.pause();
    process.stderr.write("\n");
  }
}

/** Asks a person. @throws UsageError without a terminal */
async function confirm(what: string, { yes }: Options): Promise<void> {
  if (yes === true) return;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new UsageError("Say --yes: it cannot be undone, and there is no terminal to ask at.");
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines.question(`${what} Go on? [y/N] `);
  lines.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new UsageError("Nothing was done.");
}

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
