/**
 * Makes one file of each program that is started often: a server loads in two thirds of the time that
 * its modules take. Writes contract.json, the calls of the API, beside the command line.
 */
import { chmodSync, writeFileSync } from "node:fs";
import { dirname, join, posix, relative } from "node:path";
import { rolldown } from "rolldown";
import { fail, root } from "./prepare.mjs";

const dist = join(root, "dist");
const { describeCalls } = await import(`${dist}/cli/contract/describe-calls.js`);
const { api } = await import(`${dist}/shared/api/index.js`);
writeFileSync(join(dist, "cli/contract.json"), JSON.stringify(describeCalls(api)));

/**
 * Makes one file of a program and its modules, except those that stay outside.
 * @param program its path below src/ and dist/, without extension
 * @param onDemand whether what it imports on demand gets files of its own
 */
async function bundle(program, isOutside, { ending = "js", onDemand = false } = {}) {
  const bundled = await rolldown({
    input: join(root, `src/${program}.ts`),
    platform: "node",
    external: (id) => isOutside(id) || id.startsWith("node:"),
    plugins: [
      {
        name: "omoi-sources",
        // In a file of the sources an import names the compiled one.
        resolveId(id, importer) {
          const name = /^#(.*)\.js$/.exec(id)?.[1];
          return name === undefined ? null : this.resolve(join(root, `src/${name}.ts`), importer);
        },
        // The folder of a module stays that of its compiled file.
        transform(code, id) {
          const own = relative(dirname(join(root, "src", program)), id).replace(/\.ts$/, ".js");
          return code
            .replaceAll("import.meta.dirname", `(import.meta.dirname + "/${posix.dirname(own)}")`)
            .replaceAll("import.meta.filename", `(import.meta.dirname + "/${own}")`);
        },
      },
    ],
    resolve: { extensionAlias: { ".js": [".ts", ".js"] } },
  });
  const { output } = await bundled.write({
    dir: join(dist, dirname(program)),
    entryFileNames: `[name].${ending}`,
    chunkFileNames: `[name]-on-demand.${ending}`,
    format: "esm",
    ...(onDemand ? {} : { codeSplitting: false }),
  });
  await bundled.close();
  // A file that waits for the program would never be there: the program waits for it.
  const own = output.find(({ isEntry }) => isEntry)?.fileName;
  const circular = output.find(({ imports = [] }) => imports.includes(own));
  if (circular) fail(`${circular.fileName} imports ${own}, which imports it on demand`);
}

// Needs no dependency. `omoi serve` and `omoi admin` stay apart: they are parts of the server.
await bundle("cli/main", (id) => /(?:^\.|\/cli)\/(?:admin|runner|serve)\//.test(id));
// The program in the container of a command, which has nothing else.
await bundle("pod/command-agent", () => false, { ending: "mjs" });
await bundle("server/main", (id) => /^[^.#/]/.test(id), { onDemand: true });
// Executable for `npx omoi`.
chmodSync(join(dist, "cli/main.js"), 0o755);
