import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";
import { api } from "./src/shared/api/index.js";

/** Where `vite` (the dev server) finds the API; the built app is served by the API itself. */
const server = process.env["OMOI_DEV_API"] ?? "http://127.0.0.1:8080";

/**
 * `virtual:calls`: of each call of the contract its method and path, which is all that a request needs.
 * The schemas are loaded when a form is typed into (src/web/contract.ts).
 */
const calls: Plugin = {
  name: "omoi-calls",
  resolveId: (id) => (id === "virtual:calls" ? "\0calls" : null),
  load: (id) => (id === "\0calls" ? `export default ${JSON.stringify(callsOf(api))}` : null),
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
  /node_modules\/(react|react-dom|scheduler|use-sync-external-store|@tanstack\/(react-router|router-core|history|store|react-store|react-query|query-core))\//;

/** Has the browser fetch the app beside what start.ts begins with, which asks for it when it runs. */
const preloads: Plugin = {
  name: "omoi-preloads",
  transformIndexHtml: {
    order: "post",
    handler: (_html, { bundle = {} }) => {
      const chunks = Object.values(bundle).filter((one) => one.type === "chunk");
      const main = chunks.find(({ facadeModuleId }) => facadeModuleId?.endsWith("/web/main.tsx"));
      const start = chunks.find(({ isEntry }) => isEntry);
      const files = main ? new Set([main.fileName, ...main.imports]) : [];
      return [...files]
        .filter((file) => file !== start?.fileName && !start?.imports.includes(file))
        .map((file) => ({
          tag: "link",
          attrs: { rel: "modulepreload", crossorigin: true, href: `/${file}` },
          injectTo: "head",
        }));
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
  plugins: [react(), tailwindcss(), calls, preloads, diffViewer],
  resolve: {
    alias: {
      "react-style-singleton": fileURLToPath(
        new URL("src/web/ui/style-singleton.ts", import.meta.url),
      ),
    },
  },
  publicDir: false,
  // "source" makes `#shared/…` resolve to the TypeScript sources (package.json, imports).
  build: {
    outDir: "dist/web",
    emptyOutDir: true,
    // Data URLs would need an exception in the content security policy.
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: {
        codeSplitting: {
          // Few files on the way to a page: each costs a request, and compresses less well alone.
          groups: [
            { name: "libraries", test: libraries, includeDependenciesRecursively: false },
            {
              name: "common",
              test: /src\/(web|shared)\/|^.calls$/,
              minShareCount: 4,
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
