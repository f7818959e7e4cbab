/** Completion in shells: the script asks the hidden command `__complete`. */
import type { Command } from "commander";
import { connect } from "../connection/connect.js";
import { organizationIdOf } from "../connection/names.js";
import { UsageError } from "../output/failures.js";
import { writeLine } from "../output/print.js";

const scripts: Record<string, string> = {
  bash: `_omoi() {
  local IFS=$'\\n'
  COMPREPLY=($(omoi __complete -- "\${COMP_WORDS[@]:1:$COMP_CWORD}" 2> /dev/null))
}
complete -F _omoi omoi`,
  zsh: `#compdef omoi
_omoi() {
  local -a found
  found=("\${(@f)$(omoi __complete -- "\${(@)words[2,$CURRENT]}" 2> /dev/null)}")
  compadd -a found
}
compdef _omoi omoi`,
  fish: `complete -c omoi -f -a '(omoi __complete -- (commandline -opc)[2..-1] (commandline -ct) 2> /dev/null)'`,
};

/** Time for the names of agents and projects; a shell waits for them. */
const NAMES_MS = 1500;

/** @param complete adds the commands of all groups */
export function addCompletion(program: Command, complete: () => void): void {
  program
    .command("completion")
    .description("Print the completion script of a shell: bash, zsh or fish")
    .argument("<SHELL>", "bash, zsh or fish")
    .addHelpText(
      "after",
      `
Examples:
  omoi completion bash >> ~/.bashrc
  omoi completion zsh > "\${fpath[1]}/_omoi"
  omoi completion fish > ~/.config/fish/completions/omoi.fish`,
    )
    .action((shell: string) => {
      const script = scripts[shell];
      if (script === undefined) throw new UsageError("The shell must be bash, zsh or fish.");
      writeLine(script);
    });
  program
    .command("__complete", { hidden: true })
    .argument("[WORDS...]")
    .allowUnknownOption()
    .action(async (words: string[]) => {
      complete();
      for (const word of await suggestions(program, words)) writeLine(word);
    });
}

async function suggestions(program: Command, words: readonly string[]): Promise<string[]> {
  const last = words.at(-1) ?? "";
  let command = program;
  let given = 0;
  for (const word of words.slice(0, -1)) {
    const next = command.commands.find((one) => one.name() === word);
    if (next) command = next;
    else if (!word.startsWith("-")) given += 1;
  }
  const all = last.startsWith("-")
    ? command.options.filter(({ hidden }) => !hidden).map(({ long }) => long ?? "")
    : [
        ...command.commands
          .map((one) => one.name())
          .filter((name) => !name.startsWith("_") && name !== "credential"),
        ...(await namesFor(command.registeredArguments[given]?.name() ?? "")),
      ];
  return all.filter((word) => word.startsWith(last)).toSorted();
}

/** Names of what an argument stands for. */
async function namesFor(argument: string): Promise<string[]> {
  const lists: Record<string, () => Promise<string[]>> = {
    AGENT: async () => {
      const connection = connect({});
      const organization_id = await organizationIdOf(connection);
      const { data } = await connection.api.agents.list({ query: { limit: 200, organization_id } });
      return data.map(({ name }) => name);
    },
    PROJECT: async () => {
      const connection = connect({});
      const organization_id = await organizationIdOf(connection);
      const { data } = await connection.api.projects.list({
        query: { limit: 200, organization_id },
      });
      return data.map(({ slug }) => slug);
    },
    ORG: async () => {
      const { data } = await connect({}).api.organizations.list({ query: { limit: 200 } });
      return data.map(({ slug }) => slug);
    },
  };
  const list = lists[argument === "RUN" || argument === "SESSION" ? "AGENT" : argument];
  if (!list) return [];
  const late = new Promise<string[]>((resolve) => setTimeout(resolve, NAMES_MS, []).unref());
  return Promise.race([list().catch(() => []), late]);
}
