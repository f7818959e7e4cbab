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
  plugins: [react(), tailwindcss(), calls, preloads],
  publicDir: false,
  // "source" makes `#shared/…` resolve to the TypeScript sources (package.json, imports).
  build: {
    outDir: "dist/web",
    emptyOutDir: true,
    // Data URLs would need an exception in the content security policy.
    assetsInlineLimit: 0,
    // The highlighter's grammars: one lazy chunk that only a diff loads.
    chunkSizeWarningLimit: 1500,
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
