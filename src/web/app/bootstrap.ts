/*
 * The first script of a page. The server links to the scripts of the app and of the requested page, so
 * that the browser fetches all in parallel (src/server/pages/pages.ts).
 */
import "./styles.css";
import { applyTheme } from "../hooks/theme.js";

// Before anything is drawn.
applyTheme();

void Promise.all([import("./main.js"), domReady()]).then(([{ startApp }]) => {
  startApp();
});

/**
 * This script runs while the document is parsed; the app needs its `#root` and the preloaded responses.
 */
async function domReady(): Promise<void> {
  if (document.readyState !== "loading") return;
  await new Promise((resolve) => {
    document.addEventListener("DOMContentLoaded", resolve, { once: true });
  });
}
