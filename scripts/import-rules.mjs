/**
 * The single definition of the import rules in `docs/ARCHITECTURE.md`: `npm run check` applies
 * them, and test/documents/architecture.test.ts plants violations. Runs without dependencies.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { folderCircles } from "./folder-circles.mjs";

/**
 * The layers from top to bottom. A file may import its own layer and lower ones, except those in
 * `not`. A path without an extension is a folder.
 */
const layers = [
  { name: "cli", paths: ["src/cli"], not: ["web"] },
  { name: "server/main", paths: ["src/server/main.ts"], not: ["web"] },
  { name: "server/app", paths: ["src/server/app.ts"], not: ["web"] },
  { name: "server/admin", paths: ["src/server/admin", "src/server/backup"], not: ["web"] },
  { name: "server/features", paths: ["src/server/features"], not: ["web"] },
  { name: "server/pages", paths: ["src/server/pages"], not: ["web"] },
  { name: "server/metrics", paths: ["src/server/metrics"], not: ["web"] },
  { name: "server/models", paths: ["src/server/models"], not: ["web", "git", "sandbox"] },
  { name: "server/http", paths: ["src/server/http"], not: ["web", "git", "sandbox"] },
  { name: "server/access", paths: ["src/server/access"], not: ["web", "git", "sandbox"] },
  { name: "server/mail", paths: ["src/server/mail"], not: ["web", "git", "sandbox"] },
  { name: "server/jobs", paths: ["src/server/jobs"], not: ["web", "git", "sandbox"] },
  { name: "server/cluster", paths: ["src/server/cluster"], not: ["web", "git", "sandbox"] },
  { name: "server/db", paths: ["src/server/db"], not: ["web", "sandbox"] },
  { name: "server/config", paths: ["src/server/config"], not: ["web", "git"] },
  {
    name: "server/object-storage",
    paths: ["src/server/object-storage"],
    not: ["web", "git", "sandbox"],
  },
  { name: "server/data-folder", paths: ["src/server/data-folder"], not: ["web", "git", "sandbox"] },
  {
    name: "server/base",
    paths: ["src/server/errors.ts", "src/server/encrypt.ts", "src/server/close-all.ts"],
    not: ["web", "git", "sandbox"],
  },
  { name: "demo", paths: ["src/server/demo"], not: ["web", "git", "sandbox"] },
  { name: "web/app", paths: ["src/web/app"], not: ["git", "sandbox", "node"] },
  { name: "web/features", paths: ["src/web/features"], not: ["git", "sandbox", "node"] },
  { name: "web/components", paths: ["src/web/components"], not: ["git", "sandbox", "node"] },
  { name: "web/access", paths: ["src/web/access"], not: ["git", "sandbox", "node"] },
  { name: "web/paths", paths: ["src/web/paths"], not: ["git", "sandbox", "node"] },
  { name: "web/lists", paths: ["src/web/lists"], not: ["git", "sandbox", "node"] },
  { name: "web/forms", paths: ["src/web/forms"], not: ["git", "sandbox", "node"] },
  { name: "web/api", paths: ["src/web/api"], not: ["git", "sandbox", "node"] },
  { name: "web/ui", paths: ["src/web/ui"], not: ["git", "sandbox", "node", "shared"] },
  { name: "web/hooks", paths: ["src/web/hooks"], not: ["git", "sandbox", "node", "shared"] },
  {
    name: "pod",
    paths: ["src/pod"],
    not: ["web", "git", "sandbox", "execution", "runner"],
  },
  { name: "runner", paths: ["src/runner"], not: ["web"] },
  { name: "execution", paths: ["src/execution"], not: ["web", "git"] },
  { name: "sandbox", paths: ["src/sandbox"], not: ["git"] },
  { name: "git", paths: ["src/git"] },
  { name: "node", paths: ["src/shared/node"] },
  { name: "shared", paths: ["src/shared"] },
];

/** Packages that only some places may import; `node:` stands for all Node modules. */
const packages = [
  {
    names: /^node:/,
    never: ["src/web", "src/shared"],
    except: ["src/shared/node"],
    why: "web and shared run in a browser",
  },
  {
    names: /^(fastify|pg|drizzle-orm|pino)(\/|$)/,
    never: ["src/web", "src/shared", "src/git", "src/cli"],
    except: ["src/cli/admin", "src/cli/runner"],
    why: "web, cli, git and shared know no server and no database",
  },
  {
    names: /^(fastify|@fastify\/.*)(\/|$)/,
    never: ["src/server"],
    except: ["src/server/http", "src/server/pages", "src/server/metrics/telemetry.ts"],
    why: "only server/http knows the HTTP framework",
  },
  {
    names: /^react(-dom)?(\/|$)/,
    never: ["src/server", "src/shared", "src/git", "src/sandbox", "src/cli"],
    except: [],
    why: "only web draws pages",
  },
  {
    names: /^node:child_process$/,
    never: ["src"],
    except: [
      "src/git/process/run.ts",
      "src/git/process/system-command.ts",
      "src/git/process/limited-node.ts",
      "src/shared/node/launcher/launch-command.ts",
      "src/shared/node/launcher/launcher-process.ts",
      "src/sandbox/launch.ts",
      "src/cli/run-program.ts",
      "src/pod/command.ts",
      "src/pod/copy-tools.ts",
      "src/pod/output-pipes.ts",
      "src/server/db/embedded",
      "src/server/data-folder/data-folder-lock.ts",
    ],
    why: "processes are started in one place of each wing",
  },
];

const isBelow = (path, folder) => path === folder || path.startsWith(`${folder}/`);
const isTest = (path) => /\.(test|e2e)\.tsx?$/.test(path);

/** Returns the layer of a file by the most specific path. */
function layerOf(path) {
  let found;
  let length = 0;
  for (const [rank, layer] of layers.entries())
    for (const prefix of layer.paths)
      if (isBelow(path, prefix) && prefix.length > length) {
        found = { ...layer, rank };
        length = prefix.length;
      }
  return found;
}

/** The feature of a file, with its neighborhood: `features/<neighborhood>/<feature>/`. */
const featureOf = (path) => /^src\/(?:server|web)\/features\/([^/]+\/[^/]+)\//.exec(path)?.[1];

/** The neighborhoods from top to bottom; `operation` is beside them. */
const neighborhoods = ["work", "execution", "code", "organization", "identity"];

/**
 * Returns why a file of a web feature may not import a file of another one; null if it may. A page puts
 * together the shared parts of any neighborhood (`features/<neighborhood>/parts/`); these parts know
 * only those of their own neighborhood and of lower ones.
 */
function forbiddenPart(from, to) {
  const [above, importing] = from.split("/");
  const [below, imported] = to.split("/");
  if (imported !== "parts") return "shared parts lie in the parts of their neighborhood";
  const rank = neighborhoods.indexOf(below);
  if (rank < 0) return `no neighborhood knows ${below}`;
  const isUp = importing === "parts" && rank < neighborhoods.indexOf(above);
  return isUp ? `${above} is below ${below}: arrows go down only` : null;
}

/**
 * Returns why a file of `src/` may not import a module; null if it may.
 * @param path of the importing file, relative to the root
 * @param target the imported file relative to the root, or a package name
 * @param isType whether only types are imported
 */
export function forbidden(path, target, isType = false) {
  if (isTest(path)) return null;
  if (!target.startsWith("src/")) {
    if (/^(test|e2e|bench)\//.test(target)) return "helpers of tests are not part of the product";
    for (const { names, never, except, why } of packages) {
      if (!names.test(target) || !never.some((folder) => isBelow(path, folder))) continue;
      if (!except.some((folder) => isBelow(path, folder))) return why;
    }
    const isSchema = target === "zod" && isBelow(path, "src/web") && !isType;
    return isSchema && !schemaModules.has(path) ? schemasAreLazy : null;
  }
  const from = layerOf(path);
  const to = layerOf(target);
  if (from === undefined) return `${path} belongs to no layer; add it to scripts/import-rules.mjs`;
  if (to === undefined) return `${target} belongs to no layer; add it to scripts/import-rules.mjs`;
  if (to.rank < from.rank) return `${from.name} is below ${to.name}: arrows go down only`;
  const wing = (name) => name.split("/")[0];
  if (from.not?.includes(to.name) || from.not?.includes(wing(to.name)))
    return `${from.name} knows nothing of ${to.name}`;
  if (from.name === "demo" && to.name !== "demo" && wing(to.name) !== "shared")
    return "the demo uses the API like any client";
  const feature = featureOf(target);
  if (feature !== undefined && feature !== featureOf(path)) {
    if (isBelow(path, "src/web/features")) return forbiddenPart(featureOf(path), feature);
    const file = target.split("/").slice(5).join("/");
    if (path === "src/server/features/index.ts")
      return file === "feature.ts" ? null : "the list of features names their feature.ts";
    if (isBelow(path, "src/server/features") && file !== "index.ts" && file !== "start.ts")
      return "of another feature only its index.ts or start.ts may be imported";
    if (path === "src/server/app.ts") return "the server knows the list of features, not each";
  }
  if (isBelow(path, "src/web") && isBelow(target, "src/shared/api") && !isType)
    return schemaModules.has(path) ? null : schemasAreLazy;
  return null;
}

/** Modules of web that load schemas, which happens when a form is filled in. */
const schemaModules = new Set(["src/web/api/schemas.ts", "src/web/api/no-eval.ts"]);
const schemasAreLazy = "schemas are loaded lazily, through web/api/schemas.ts";

/** Parses the imports of a source text. */
export function importsOf(text) {
  const pattern =
    /^(?:import|export)\s+(type\s)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)/gm;
  return Array.from(text.matchAll(pattern), ([whole, type, fixed, lazy]) => ({
    specifier: fixed ?? lazy,
    isType: type !== undefined || /^import\s*\{(\s*type\s[^,}]+,?)+\s*\}/.test(whole),
    isLazy: lazy !== undefined,
  }));
}

/** The imported file from the root, or the package's name. */
export function targetOf(root, path, specifier) {
  if (!/^[.#]/.test(specifier)) return specifier;
  const wing = /^#(\w+)\//.exec(specifier)?.[1];
  const file =
    wing === undefined
      ? normalize(join(dirname(path), specifier))
      : `${wing === "test" ? "" : "src/"}${specifier.slice(1)}`;
  const source = file.replace(/\.js$/, ".ts");
  return existsSync(join(root, source))
    ? source
    : existsSync(join(root, `${source}x`))
      ? `${source}x`
      : file;
}

/**
 * Lists every forbidden import and every cycle of imports or folders below `root`/src, one per line. Type imports
 * count; dynamic imports (`import()`) do not count for cycles.
 */
export function importViolations(root) {
  const found = [];
  const graph = new Map();
  for (const entry of readdirSync(join(root, "src"), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.tsx?$/.test(entry.name)) continue;
    const path = relative(root, join(entry.parentPath, entry.name));
    const imported = new Set();
    for (const { specifier, isType, isLazy } of importsOf(readFileSync(join(root, path), "utf8"))) {
      const target = targetOf(root, path, specifier);
      const reason = forbidden(path, target, isType);
      if (reason !== null) found.push(`${path} imports ${specifier}: ${reason}`);
      if (!isLazy) imported.add(target);
    }
    if (!isTest(path)) graph.set(path, imported);
  }
  for (const circle of circlesOf(graph)) found.push(`circle of imports: ${circle.join(" → ")}`);
  found.push(...folderCircles(graph, circlesOf));
  return found.toSorted();
}

/** Returns each cycle of a graph once (Tarjan's strongly connected components). */
export function circlesOf(graph) {
  const order = new Map();
  const lowest = new Map();
  const open = [];
  const circles = [];
  const visit = (node) => {
    order.set(node, order.size);
    lowest.set(node, order.get(node));
    open.push(node);
    for (const next of graph.get(node)) {
      if (!graph.has(next)) continue;
      if (!order.has(next)) visit(next);
      if (open.includes(next)) lowest.set(node, Math.min(lowest.get(node), lowest.get(next)));
    }
    if (lowest.get(node) !== order.get(node)) return;
    const circle = open.splice(open.indexOf(node));
    if (circle.length > 1 || graph.get(node).has(node)) circles.push(circle);
  };
  for (const node of graph.keys()) if (!order.has(node)) visit(node);
  return circles;
}
