import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** Where `vite` (the dev server) finds the API; the built app is served by the API itself. */
const api = process.env["OMOI_DEV_API"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  publicDir: false,
  // "source" makes `#shared/…` resolve to the TypeScript sources (package.json, imports).
  build: {
    outDir: "dist/web",
    emptyOutDir: true,
    // Data URLs would need an exception in the content security policy.
    assetsInlineLimit: 0,
    // The highlighter's grammars: one lazy chunk that only a diff loads.
    chunkSizeWarningLimit: 1500,
  },
  server: {
    proxy: {
      "/api": api,
      "/git": api,
      "/healthz": api,
    },
  },
});
