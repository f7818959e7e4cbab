/**
 * Makes one file of the command line, dist/cli/main.js, which needs no dependency and starts soon, and
 * contract.json beside it, the calls of the API. `omoi admin` stays apart: it is part of the server. The command agent
 * of pods gets one file, too.
 */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";
import { root } from "./prepare.mjs";

const dist = join(root, "dist");
const { describeCalls } = await import(`${dist}/cli/contract/describe-calls.js`);
const { api } = await import(`${dist}/shared/api/index.js`);
writeFileSync(join(dist, "cli/contract.json"), JSON.stringify(describeCalls(api)));

/** Makes one file of a program and its modules, except those that stay outside. */
async function bundle(source, file, isOutside) {
  const bundled = await rolldown({
    input: join(root, source),
    platform: "node",
    external: (id) => isOutside(id) || id.startsWith("node:"),
    resolve: { alias: { "#shared": join(root, "src/shared") }, extensions: [".ts", ".js"] },
    // In a file of the sources an import names the compiled one.
    plugins: [
      {
        name: "omoi-sources",
        resolveId(id, importer) {
          if (!id.startsWith("#shared/")) return null;
          return this.resolve(
            join(root, "src/shared", id.slice(8).replace(/\.js$/, ".ts")),
            importer,
          );
        },
      },
    ],
  });
  await bundled.write({
    file: join(dist, file),
    format: "esm",
    codeSplitting: false,
    minify: { compress: true, mangle: false, codegen: false },
  });
  await bundled.close();
}

await bundle("src/cli/main.ts", "cli/main.js", (id) =>
  /(?:^\.|\/cli)\/(?:admin|runner)\//.test(id),
);
// The program in the container of a command, which has nothing else.
await bundle("src/pod/command-agent.ts", "pod/command-agent.mjs", () => false);
// Executable for `npx omoi`.
chmodSync(join(dist, "cli/main.js"), 0o755);
