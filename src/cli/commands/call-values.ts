/** The values of a call from the words and options of its command. */
import { readFileSync } from "node:fs";
import { text as readAll } from "node:stream/consumers";
import { isSegment } from "#shared/contract/call.js";
import type { Connection } from "../connection/connect.js";
import { isNamed, organizationIdOf, organizationOf, valueOf } from "../connection/names.js";
import type { CallField, DescribedCall } from "../contract/describe-calls.js";
import { UsageError } from "../output/failures.js";
import { secretFromInput } from "./ask.js";
import type { CallCommand } from "./call-command.js";
import type { CommonOptions } from "./common-options.js";

/** The options of a command; its own are kept by the names of `keyOf`. */
export interface Options extends CommonOptions {
  limit?: string;
  body?: string;
  yes?: boolean;
  wait?: boolean;
  [option: string]: unknown;
}

/** Whether the organization of the command is a field of the call. */
export function isFilled({ method, query, body, isList }: DescribedCall, field: string): boolean {
  if (field !== "organization_id") return false;
  const isScope = isList && query.some(({ name }) => name === field);
  const isRequired =
    body?.some(({ name, isRequired: needed }) => name === field && needed) ?? false;
  return isScope || (method === "POST" && isRequired);
}

/** `parent_agent_id` as an option: `parent-agent`. A field `body` is `text`, since `--body` is the whole body. */
export const optionName = (field: string): string => {
  if (field === "body") return "text";
  return (isNamed(field) ? field.replace(/_id$/, "") : field).replaceAll("_", "-");
};

/** The name under which commander keeps an option. */
const keyOf = (field: string): string =>
  optionName(field).replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

export interface Given {
  connection: Connection;
  call: DescribedCall;
  values: Record<string, string | undefined>;
  opts: Options;
  command: CallCommand;
}

export async function paramsOf({
  connection,
  call,
  values,
}: Given): Promise<Record<string, string>> {
  const params: Record<string, string> = {};
  for (const { name } of call.params) {
    const value = values[name];
    if (name === "org_id") {
      if (value !== undefined) {
        connection.organization = value;
        connection.organizationId = null;
      }
      params[name] = await organizationOf(connection);
    } else params[name] = await valueOf(connection, name, value ?? "", params);
    if (!isSegment(params[name])) {
      throw new UsageError(`${optionName(name).toUpperCase()} must not be empty, "." or "..".`);
    }
  }
  return params;
}

/** The values of fields that are arguments or options. */
export async function fieldsFor(
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

/** The body: its fields from arguments and options, and those of `--body`. */
export async function bodyOf(given: Given, fields: readonly CallField[]): Promise<unknown> {
  const { opts, command } = given;
  const whole = opts.body;
  const { stdin } = command;
  if (stdin !== undefined && opts[keyOf(stdin)] === undefined && whole === undefined) {
    opts[keyOf(stdin)] = await secretFromInput(stdin);
  }
  const found = await fieldsFor(given, fields);
  if (whole !== undefined) {
    const parsed = await jsonOf("body", whole);
    return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)
      ? { ...command.defaults, ...parsed, ...found }
      : parsed;
  }
  const body: Record<string, unknown> = { ...command.defaults, ...found };
  const missing = fields.find(({ name, isRequired }) => isRequired && body[name] === undefined);
  if (missing) {
    throw new UsageError(`--${optionName(missing.name)} is required; --help shows all options.`);
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

export function numberOf(name: string, text: string): number {
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
