/** `omoi serve`: the server, on this machine. */
import { homedir } from "node:os";
import { resolve, sep } from "node:path";
import { type Command, Option } from "commander";
import { defaultDataFolder } from "./data-folder.js";

interface Options {
  data: string;
  host?: string;
  port?: string;
}

/** Variables of the command line that are no settings of a server. */
const ofCommands = ["OMOI_URL", "OMOI_TOKEN", "OMOI_ORG"];

export function addServe(program: Command): void {
  program
    .command("serve")
    .description("Start the server on this machine, until it is stopped")
    .addOption(
      new Option("--data <DIR>", "folder of the database, the repositories and the logs")
        .env("OMOI_DATA_DIR")
        .default(defaultDataFolder(), "~/.local/share/omoi, or ./data where a server used it"),
    )
    .addOption(
      new Option("--host <HOST>", "address to listen on (default: 127.0.0.1)").env("OMOI_HOST"),
    )
    .addOption(new Option("--port <PORT>", "port to listen on (default: 8080)").env("OMOI_PORT"))
    .addHelpText(
      "after",
      `
Other settings are environment variables, such as OMOI_PUBLIC_URL; /docs/reference/configuration.md of the
server lists them. PostgreSQL is included, unless OMOI_DATABASE_URL names one. Ctrl-C or SIGTERM stops the server.

Examples:
  omoi serve
  omoi serve --data ./data --port 9000`,
    )
    .action(serve);
}

/** Resolves once the server answers. Its own signals and failures end the process. */
async function serve({ data, host, port }: Options): Promise<void> {
  // An empty OMOI_DATA_DIR is none.
  const folder = resolve(data || defaultDataFolder());
  for (const name of ofCommands) delete process.env[name];
  process.env["OMOI_DATA_DIR"] = folder;
  if (host !== undefined) process.env["OMOI_HOST"] = host;
  if (port !== undefined) process.env["OMOI_PORT"] = port;
  process.stdout.write(
    `Data is stored in ${shortened(folder)}; --data or OMOI_DATA_DIR chooses another folder.\n`,
  );
  // The server stops in order.
  process.removeAllListeners("SIGINT");
  followNpm();
  await import("#server/main.js");
}

function shortened(folder: string): string {
  const home = homedir() + sep;
  return folder.startsWith(home) ? `~/${folder.slice(home.length)}` : folder;
}

/** The shell of `npx` dies on SIGTERM without notifying its child: the end of the parent ends the server, too. */
function followNpm(): void {
  if (process.env["npm_lifecycle_event"] === undefined) return;
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, "SIGTERM");
  }, 500).unref();
}
