/**
 * `node copy-tools.js FOLDER OWN…`: copies the command agent, Node and a shell that reaps processes, with their shared
 * libraries and the loader of these, so that they run in any image, whatever its C library. Runs in the init
 * container of a pod. The result is started by FOLDER/lib/loader, which finds the libraries beside itself:
 *
 *     FOLDER/lib/loader --library-path FOLDER/lib FOLDER/sh FOLDER/start SOCKET
 *
 * It also makes the folders OWN of the user of the pod: volumes are root's, and git refuses the working tree of another
 * user.
 */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { basename, delimiter, join } from "node:path";

/**
 * The shell is the first process of the container: it reaps those that lose their parent, which Node does not. The
 * agent is its child, without the options of Node that the image has for its own. TERM is left to the runner, which
 * has it too.
 */
const START = `[ -z "\${NODE_OPTIONS+x}" ] || { export OMOI_IMAGE_NODE_OPTIONS="$NODE_OPTIONS"; unset NODE_OPTIONS; }
"\${0%/*}/lib/loader" --library-path "\${0%/*}/lib" "\${0%/*}/node" "\${0%/*}/command-agent.mjs" "$1" &
wait $!
`;

function copyTools(folder: string): void {
  const lib = join(folder, "lib");
  mkdirSync(lib, { recursive: true, mode: 0o755 });
  const programs = { node: process.execPath, sh: findProgram("sh"), mkfifo: findProgram("mkfifo") };
  for (const [name, path] of Object.entries(programs)) {
    copy(path, join(folder, name), 0o755);
    for (const { soname, file, isLoader } of librariesOf(path)) {
      copy(file, join(lib, soname), 0o755);
      if (isLoader) copy(file, join(lib, "loader"), 0o755);
    }
  }
  if (!existsSync(join(lib, "loader"))) throw new Error("ldd names no loader of shared libraries");
  copy(join(import.meta.dirname, "command-agent.mjs"), join(folder, "command-agent.mjs"), 0o644);
  writeFileSync(join(folder, "start"), START, { mode: 0o644 });
}

/** Copies what a link leads to. */
function copy(from: string, to: string, mode: number): void {
  copyFileSync(realpathSync(from), to);
  chmodSync(to, mode);
}

function findProgram(name: string): string {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${name} is missing`);
  return found;
}

interface Library {
  /** The name by which programs ask for it. */
  soname: string;
  file: string;
  isLoader: boolean;
}

/** Returns the libraries of a program, by ldd(1): `NAME => PATH (ADDRESS)`, and the loader `PATH (ADDRESS)`. */
function librariesOf(program: string): Library[] {
  const text = execFileSync("ldd", [realpathSync(program)], { encoding: "utf8" });
  return text.split("\n").flatMap((line) => {
    const named = /^\s*(\S+) => (\/\S+) \(0x/.exec(line);
    if (named) {
      const [, name = "", file = ""] = named;
      // musl names its loader twice.
      return [{ soname: basename(name), file, isLoader: basename(file).startsWith("ld-musl") }];
    }
    const [, file] = /^\s*(\/\S+) \(0x/.exec(line) ?? [];
    return file === undefined ? [] : [{ soname: basename(file), file, isLoader: true }];
  });
}

const [, , folder, ...own] = process.argv;
if (folder === undefined) {
  process.stderr.write("usage: node copy-tools.js FOLDER OWN…\n");
  process.exit(2);
}
copyTools(folder);
for (const path of own) mkdirSync(path, { recursive: true, mode: 0o755 });
