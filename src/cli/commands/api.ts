/** `omoi api METHOD PATH`: any request, signed in. */
import { readFileSync } from "node:fs";
import { text as readAll } from "node:stream/consumers";
import type { Command } from "commander";
import { ApiError } from "#shared/contract/call.js";
import { connect, type Where } from "../connection/connect.js";
import { rejectOthers, send, textOf } from "../connection/http.js";
import { describedCalls } from "../contract/calls.js";
import { UsageError } from "../output/failures.js";
import { writeLine } from "../output/print.js";

interface ApiOptions extends Where {
  field?: string[];
  input?: string;
  header?: string[];
  include?: boolean;
}

const collected = (value: string, before: string[] = []): string[] => [...before, value];

export function addApi(program: Command): void {
  program
    .command("api")
    .description("Send any request, signed in")
    .argument("<METHOD>", "GET, POST, PATCH, PUT or DELETE; with a path alone, GET")
    .argument("[PATH]", "such as /agents, which is /api/v1/agents")
    .option(
      "-f, --field <NAME=VALUE>",
      "a field of the JSON body, or of the query of a GET; a value that is JSON is taken as such",
      collected,
    )
    .option("--input <FILE>", "the body from a file, or - for standard input")
    .option("-H, --header <NAME: VALUE>", "a header", collected)
    .option("-i, --include", "print the status and the headers, too")
    .option("--context <NAME>", "the installation, instead of the current one")
    .addHelpText(
      "after",
      `
Examples:
  omoi api /organizations
  omoi api GET agents -f limit=5 -f status=running
  omoi api POST organizations -f name='Acme Corp'`,
    )
    .action(call);
}

const methods = new Set(["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"]);

/** Adds /api/v1 to a path without a slash at its start, and to one that begins with a resource of the API. */
function wholePath(path: string): string {
  if (!path.startsWith("/")) return `/api/v1/${path}`;
  const [, first = ""] = path.split(/[/?]/);
  const isResource = Object.values(describedCalls())
    .flatMap((calls) => Object.values(calls))
    .some((one) => one.path.split("/")[3] === first && one.path.startsWith("/api/v1/"));
  return isResource ? `/api/v1${path}` : path;
}

async function call(first: string, second: string | undefined, options: ApiOptions): Promise<void> {
  const verb = second === undefined ? "GET" : first.toUpperCase();
  if (!methods.has(verb)) {
    throw new UsageError(`${first} is no method; use GET, POST, PATCH, PUT or DELETE.`);
  }
  if (second === undefined && methods.has(first.toUpperCase())) {
    throw new UsageError(`${first} needs a path: omoi api ${first} /organizations`);
  }
  const connection = connect(options);
  const fields = (options.field ?? []).map((given) => pairOf(given, "="));
  const address = new URL(wholePath(second ?? first), connection.url);
  // A path such as //example.com would send the key elsewhere.
  if (address.origin !== connection.url)
    throw new UsageError("The path must begin with one slash.");
  const isQuery = verb === "GET" || verb === "HEAD";
  if (isQuery) for (const [name, value] of fields) address.searchParams.append(name, value);
  const body =
    options.input === undefined
      ? isQuery || fields.length === 0
        ? undefined
        : JSON.stringify(Object.fromEntries(fields.map(([name, value]) => [name, jsonOr(value)])))
      : options.input === "-"
        ? await readAll(process.stdin)
        : readFileSync(options.input, "utf8");
  const headers = Object.fromEntries((options.header ?? []).map((given) => pairOf(given, ":")));
  const response = await send(connection, address.pathname + address.search, {
    method: verb,
    headers: {
      accept: "*/*",
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { body }),
  });
  const text = await textOf(response);
  rejectOthers(connection.url, response, text);
  const { statusCode = 0, statusMessage = "", rawHeaders } = response;
  if (options.include === true) {
    writeLine(`HTTP/1.1 ${statusCode} ${statusMessage}`);
    for (let at = 0; at < rawHeaders.length; at += 2)
      writeLine(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
    writeLine("");
  }
  if (statusCode >= 400) {
    throw new ApiError(JSON.parse(text) as ConstructorParameters<typeof ApiError>[0]);
  }
  const isJson = /\bjson\b/.test(response.headers["content-type"] ?? "");
  if (text !== "") {
    writeLine(isJson ? JSON.stringify(JSON.parse(text), null, 2) : text.replace(/\n$/, ""));
  }
}

/** @throws UsageError without the separator */
function pairOf(given: string, separator: "=" | ":"): [string, string] {
  const at = given.indexOf(separator);
  if (at < 1) throw new UsageError(`${given} must be NAME${separator}VALUE.`);
  return [given.slice(0, at).trim(), given.slice(at + 1).trim()];
}

function jsonOr(value: string): unknown {
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}
