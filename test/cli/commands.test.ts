/** Each call of the API has a command, or a reason why not; the help of each command is true. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { api } from "#shared/api/index.js";
import { builtFile } from "#test/support/server/built-files.js";
import { openCli, type SignedInCli } from "#test/support/server/signed-in-cli.js";
import type { CallCommand } from "../../src/cli/commands/call-command.js";
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
  let cli: SignedInCli;
  beforeAll(() => {
    cli = openCli();
  });
  afterAll(() => cli.close());

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

  test(
    "each command has a help, and each option of an example exists",
    { timeout: 300_000 },
    async () => {
      const check = async ([, { command, examples = [] }]: readonly [CallName, CallCommand]) => {
        const { code, out } = await cli.run(...command.split(" "), "--help");
        const unknown = examples.flatMap((example) => {
          const options = example.match(/(?<= )--[a-z-]+/g) ?? [];
          return [
            ...(example.startsWith(command) ? [] : [example]),
            ...options.filter(
              (option) => !out.includes(`${option} `) && !out.includes(`${option}\n`),
            ),
          ];
        });
        return code === 0 && out.startsWith(`Usage: omoi ${command}`) && unknown.length === 0
          ? []
          : [`${command}: ${code}, ${unknown.join(" ")}`];
      };
      const wrong: string[] = [];
      for (let at = 0; at < commands.length; at += 4) {
        const found = await Promise.all(commands.slice(at, at + 4).map(check));
        wrong.push(...found.flat());
      }
      expect(wrong).toEqual([]);
    },
  );
});
