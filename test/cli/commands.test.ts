/** Each call of the API has a command, or a reason why not; the help of each command is true. */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { describe, expect, test, vi } from "vitest";
import { api } from "#shared/api/index.js";
import { builtFile } from "#test/support/server/built-files.js";
import { openCli } from "#test/support/server/signed-in-cli.js";
import { callCommands, groups } from "../../src/cli/commands/call-commands.js";
import type { CallName } from "#shared/contract/client.js";
import { type DescribedCalls, describeCalls } from "../../src/cli/contract/describe-calls.js";

const described = JSON.parse(
  readFileSync(builtFile("cli/contract.json"), "utf8"),
) as DescribedCalls;
const commands = Object.entries(callCommands).flatMap(([name, command]) =>
  "command" in command ? [[name as CallName, command] as const] : [],
);
const callOf = (name: string) => {
  const [resource = "", call = ""] = name.split(".");
  return described[resource]?.[call];
};

describe("the commands of calls", () => {
  test("the build describes the calls of the contract", () => {
    expect(described).toEqual(describeCalls(api as Parameters<typeof describeCalls>[0]));
  });

  test("each call has a command or a reason", () => {
    const calls = Object.entries(api).flatMap(([resource, named]) =>
      Object.keys(named).map((name) => `${resource}.${name}`),
    );
    expect(Object.keys(callCommands).toSorted()).toEqual(calls.toSorted());
    const unexplained = Object.entries(callCommands).filter(
      ([, command]) => !("command" in command) && command.reason.length < 10,
    );
    expect(unexplained).toEqual([]);
  });

  test("no two calls have one command, and each is in a group with a description", () => {
    const names = commands.map(([, { command }]) => command);
    expect(new Set(names).size).toBe(names.length);
    const used = new Set(names.map((name) => name.split(" ")[0] as string));
    expect([...used].toSorted()).toEqual(Object.keys(groups).toSorted());
  });

  test("arguments and columns are fields of the call", () => {
    const wrong = commands.flatMap(([name, { args = [], columns = [], stdin }]) => {
      const call = callOf(name);
      const given = [...(call?.params ?? []), ...(call?.query ?? []), ...(call?.body ?? [])];
      const fields = new Set(given.map((field) => field.name));
      return [
        ...[...args, ...(stdin === undefined ? [] : [stdin])]
          .map((arg) => arg.replace("?", ""))
          .filter((arg) => !fields.has(arg)),
        ...columns.filter((column) => !call?.fields.includes(column.split(".")[0] as string)),
        ...(call?.isList === true && columns.length === 0 ? ["a list without columns"] : []),
      ].map((field) => `${name}: ${field}`);
    });
    expect(wrong).toEqual([]);
  });

  test("each command has a help, and each option of an example exists", async () => {
    const program = await openProgram();
    const wrong = commands.flatMap(([, { command, examples = [] }]) => {
      const help = helpOf(program, command.split(" "));
      const unknown = examples.flatMap((example) => {
        const options = example.match(/(?<= )--[a-z-]+/g) ?? [];
        return [
          ...(example.startsWith(command) ? [] : [example]),
          ...options.filter(
            (option) => !help.includes(`${option} `) && !help.includes(`${option}\n`),
          ),
        ];
      });
      return help.startsWith(`Usage: omoi ${command}`) && unknown.length === 0
        ? []
        : [`${command}: ${unknown.join(" ")}`];
    });
    expect(wrong).toEqual([]);
  });

  test("--help prints this help", async () => {
    const cli = openCli();
    const { code, out } = await cli.run("project", "create", "--help");
    cli.close();
    expect([code, out]).toEqual([0, helpOf(await openProgram(), ["project", "create"])]);
  });
});

/** The commands of all calls, in this process. Only the built command has contract.json beside it. */
async function openProgram(): Promise<Command> {
  const calls = "../../src/cli/contract/calls.js";
  vi.doMock(calls, () => ({ describedCalls: () => described, describedCall: callOf }));
  const { addCallCommands } = await import("../../src/cli/commands/add-call-commands.js");
  vi.doUnmock(calls);
  const program = new Command("omoi");
  for (const name of Object.keys(groups)) addCallCommands(program.command(name), name);
  return program;
}

/** What `--help` prints for a command. */
function helpOf(program: Command, words: readonly string[]): string {
  const command = words.reduce<Command | undefined>(
    (group, word) => group?.commands.find((one) => one.name() === word),
    program,
  );
  let text = "";
  command
    ?.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 80 })
    .outputHelp();
  return text;
}
