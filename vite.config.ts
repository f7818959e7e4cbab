import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin, type Rolldown } from "vite";
import { api } from "./src/shared/api/index.js";
import { pages } from "./src/shared/pages.js";

/** Where `vite` (the dev server) finds the API; the built app is served by the API itself. */
const server = process.env["OMOI_DEV_API"] ?? "http://127.0.0.1:8080";

/**
 * `virtual:calls`: of each call of the contract its method and path, which is all that a request needs.
 * The schemas are loaded when a form is typed into (src/web/api/api-calls.ts).
 */
const calls: Plugin = {
  name: "omoi-calls",
  resolveId: (id) => (id === "virtual:calls" ? "\0calls" : null),
  load: (id) => (id === "\0calls" ? `export default ${JSON.stringify(callsOf(api))}` : null),
};

/**
 * The contract without the descriptions of its fields, which only the OpenAPI document needs. They would
 * be a third of the schemas that forms load.
 */
const undescribed: Plugin = {
  name: "omoi-undescribed",
  enforce: "pre",
  transform: {
    filter: { id: /src\/shared\/(api|contract)\// },
    handler: (code) =>
      code.replaceAll(/\s*\.describe\(\s*(["'])(?:(?!\1)[^\\]|\\.)*\1,?\s*\)/g, ""),
  },
};

/** Grammars beside the common ones of highlight.js, which make up a quarter of all. */
const grammars =
  "clojure cmake dart dockerfile elixir erlang fsharp groovy haskell julia nginx nix ocaml powershell protobuf scala".split(
    " ",
  );

/**
 * The diff viewer without inline styles, which the content security policy forbids, and with the grammars
 * that people use. Where another version is written otherwise the build says so.
 */
const diffViewer: Plugin = {
  name: "omoi-diff-viewer",
  transform: {
    filter: { id: /@git-diff-view\/(core|lowlight|react)\/dist\/esm/ },
    handler: (code, id) => {
      if (id.includes("/lowlight/")) {
        const imports = grammars.map(
          (name, at) => `import grammar${at} from "highlight.js/lib/languages/${name}";\n`,
        );
        const more = grammars.map((name, at) => `${name}: grammar${at}`);
        return replaced(
          code,
          "import { createLowlight, all } from 'lowlight';",
          `import { createLowlight, common } from "lowlight";\n${imports.join("")}` +
            `const all = { ...common, ${more.join(", ")} };`,
        );
      }
      if (id.includes("/react/")) return replaced(code, 'jsx("style",', 'jsx("selection-style",');
      const marked = replaced(
        code,
        /data-diff-highlight style="background-color: var\(\$\{operator === "add" .*?">/g,
        'data-diff-highlight="${operator}">',
      );
      const unstyled = marked.replaceAll(/ style="\$\{\(\(_\w = wrapper [^}]*\}"/g, "");
      if (unstyled.includes(' style="')) throw new Error("the diff viewer writes styles");
      return unstyled;
    },
  },
};

function replaced(code: string, what: string | RegExp, by: string): string {
  const result = code.replaceAll(what, by);
  if (result === code) throw new Error(`the diff viewer has no ${String(what)}`);
  return result;
}

/** What every page stands on. */
const libraries =
  /rolldown\/runtime|node_modules\/(react|react-dom|scheduler|use-sync-external-store|@tanstack\/(react-router|router-core|history|store|react-store|react-query|query-core))\//;

/**
 * Ours, but for what is drawn only after somebody asked for it, and for logs, the details of runs,
 * budgets and upstreams, which few pages show.
 */
const ours =
  /src\/(web\/(?!ui\/(overlays\/(dialog-frame|palette|menu)|layout\/tabs)\.|api\/follow-stream\.|features\/(execution\/(parts\/logs\/|runs\/run-(connections|content)\.)|organization\/parts\/usage\/budgets-card\.|code\/projects\/repository\/(upstream-card|credential-dialog|fetch-report)\.))|shared\/(?!work\/search-words))|^.calls$/;

/** What the tabs of a project share, and no other page. */
const ofProjects =
  /src\/web\/features\/code\/projects\/(?!repository\/(upstream-card|credential-dialog|fetch-report))/;

/** What the tabs of an agent share, and the page of a task. */
const ofAgents =
  /src\/web\/features\/work\/(agents\/agent-(frame|task)|parts\/agents\/workspace-changes)\./;

/** The conversation of a session, on the pages of an agent and of a task. */
const ofSessions =
  /src\/web\/(features\/work\/(agents\/sessions|parts\/sessions\/(?!permission-answers|session-status))|hooks\/follow-stream|ui\/text\/markdown)|node_modules\/marked\//;

/** Large parts that a few pages share; all other pages would load them for nothing. */
const partsOfFew = {
  agents: /src\/web\/features\/work\/parts\/board\//,
  automations:
    /src\/(web\/features\/work\/(parts\/)?automations\/|shared\/work\/automation-names\.)/,
  forges: /src\/web\/features\/organization\/organizations\/forges\//,
  tasks: /src\/web\/features\/work\/parts\/tasks\//,
  reviews: /src\/web\/(features\/work\/parts\/reviews\/|api\/queries\/work\/reviews\.)/,
  keys: /src\/web\/features\/identity\/parts\/api-keys\/(permission-picker|limits-fields|expiration-field)\./,
  projects:
    /src\/web\/features\/code\/parts\/projects\/(new-project-dialog|import-repositories|credential-fields|forge-repository-field)\./,
  runs: /src\/web\/features\/execution\/parts\/runs\/(run-again|run-values|start\/(start-run-dialog|runner-labels-field|(command|env|network|preset)-fields))\./,
  secrets: /src\/web\/features\/execution\/parts\/secrets\//,
  charts:
    /src\/web\/(ui\/charts\/|features\/organization\/(parts\/usage\/run-timeline|organizations\/usage\/usage-tables)\.)/,
};

/** A module and all that it imports at once. */
function withImports(
  id: string,
  context: Rolldown.ChunkingContext,
  found = new Set<string>(),
): Set<string> {
  if (found.has(id)) return found;
  found.add(id);
  const imported = context.getModuleInfo(id)?.importedIds ?? [];
  for (const one of imported) withImports(one, context, found);
  return found;
}

const file = (name: string): string => fileURLToPath(new URL(`src/web/${name}`, import.meta.url));
let ofApp: Set<string> | undefined;
let ofStart: Set<string> | undefined;

/** "app" for what main.tsx imports, but for what bootstrap.ts imports. */
function appOf(id: string, context: Rolldown.ChunkingContext): string | null {
  ofApp ??= withImports(file("app/main.tsx"), context);
  ofStart ??= withImports(file("app/bootstrap.ts"), context);
  return ofApp.has(id) && !ofStart.has(id) ? "app" : null;
}

/** The chunks that every page waits for. */
const beforePages = new Set(["rolldown-runtime", "libraries", "app", "common"]);

/**
 * `scripts.json`: the scripts of each page beside those that every page waits for. The server links to
 * them in the page (src/server/pages/pages.ts), so that scripts need not. The page `projects` is the chunk
 * of the module ProjectsPage.tsx.
 */
const scriptsOfPages: Plugin = {
  name: "omoi-scripts",
  generateBundle: {
    order: "post",
    handler(_options, bundle) {
      const chunks = Object.values(bundle).filter((one) => one.type === "chunk");
      const scripts = Object.keys(pages).map((page) => {
        const module = `/${page.charAt(0).toUpperCase()}${page.slice(1)}Page.tsx`;
        const chunk = chunks.find(({ facadeModuleId }) => facadeModuleId?.endsWith(module));
        if (!chunk) throw new Error(`the page "${page}" has no chunk of a module ${module}`);
        return [page, ownScripts(chunk.fileName, bundle)] as const;
      });
      this.emitFile({
        type: "asset",
        fileName: "scripts.json",
        source: JSON.stringify(Object.fromEntries(scripts)),
      });
    },
  },
};

/** A chunk's file and those it stands on, without those that every page has. */
function ownScripts(
  name: string,
  bundle: Rolldown.OutputBundle,
  found = new Set<string>(),
): readonly string[] {
  const chunk = bundle[name];
  if (chunk?.type !== "chunk" || chunk.isEntry || beforePages.has(chunk.name)) return [...found];
  found.add(name);
  for (const imported of chunk.imports)
    if (!found.has(imported)) ownScripts(imported, bundle, found);
  return [...found];
}

/** Has the browser fetch the app beside bootstrap.ts, which imports it. */
const preloads: Plugin = {
  name: "omoi-preloads",
  transformIndexHtml: {
    order: "post",
    handler: (html, { bundle = {} }) => {
      const chunks = Object.values(bundle).filter((one) => one.type === "chunk");
      const tags = chunks
        .filter(({ name }) => beforePages.has(name))
        .map(({ fileName }) => ({
          tag: "link",
          attrs: { rel: "modulepreload", crossorigin: true, href: `/${fileName}` },
          injectTo: "head" as const,
        }));
      // It waits neither for the style sheet nor for the rest of the page.
      return { html: html.replace('<script type="module"', "$& async"), tags };
    },
  },
};

function callsOf(resources: Record<string, Record<string, { method: string; path: string }>>) {
  const whereOf = ({ method, path }: { method: string; path: string }) => ({ method, path });
  return mapped(resources, (named) => mapped(named, whereOf));
}

function mapped<From, To>(from: Record<string, From>, to: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(from).map(([name, value]) => [name, to(value)]));
}

export default defineConfig({
  plugins: [undescribed, react(), tailwindcss(), calls, preloads, scriptsOfPages, diffViewer],
  resolve: {
    alias: {
      "react-style-singleton": fileURLToPath(
        new URL("src/web/ui/overlays/style-singleton.ts", import.meta.url),
      ),
    },
  },
  publicDir: false,
  // "source" makes `#shared/…` resolve to the TypeScript sources (package.json, imports).
  build: {
    outDir: "dist/web",
    emptyOutDir: true,
    // Scripts are linked to by the page, where the browser finds them sooner; style sheets are not.
    modulePreload: {
      polyfill: false,
      resolveDependencies: (_file, files, { hostType }) =>
        hostType === "html" ? files : files.filter((one) => one.endsWith(".css")),
    },
    // Data URLs would need an exception in the content security policy.
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: {
        // Chromium then compiles a file's functions while it loads, beside the page, and not one by one
        // as they are first called, which takes a third of the time to a first page.
        postBanner: "//# allFunctionsCalledOnLoad",
        codeSplitting: {
          // Few files on the way to a page: each costs a request, and compresses less well alone.
          groups: [
            {
              name: "libraries",
              test: libraries,
              priority: 5,
              includeDependenciesRecursively: false,
            },
            // What every page shows around itself, and all it stands on.
            {
              name: appOf,
              debugName: "app",
              test: ours,
              priority: 4,
              includeDependenciesRecursively: false,
            },
            {
              name: "project",
              test: ofProjects,
              minShareCount: 2,
              priority: 4,
              includeDependenciesRecursively: false,
            },
            {
              name: "agent",
              test: ofAgents,
              minShareCount: 2,
              priority: 4,
              includeDependenciesRecursively: false,
            },
            {
              name: "session",
              test: ofSessions,
              minShareCount: 2,
              priority: 5,
              includeDependenciesRecursively: false,
            },
            {
              name: "common",
              test: ours,
              // More than the tabs of an agent.
              minShareCount: 5,
              priority: 3,
              includeDependenciesRecursively: false,
            },
            { name: "primitives", test: /@radix-ui\//, minShareCount: 3, priority: 3 },
            {
              name: "work",
              test: /src\/web\/features\/(code\/(parts\/(diffs|merges|workspaces)|merging|workspaces)|work\/agents\/(conflicts|workspace))\//,
              minShareCount: 2,
              priority: 2,
              includeDependenciesRecursively: false,
            },
            ...Object.entries(partsOfFew).map(([name, test]) => ({
              name,
              test,
              minShareCount: 2,
              priority: 4,
              includeDependenciesRecursively: false,
            })),
            {
              name: "shared",
              test: ours,
              minShareCount: 2,
              priority: 1,
              includeDependenciesRecursively: false,
            },
          ],
        },
      },
    },
  },
  server: {
    proxy: {
      "/api": server,
      "/git": server,
      "/healthz": server,
    },
  },
});
