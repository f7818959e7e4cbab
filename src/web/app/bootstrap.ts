/*
 * The first script of a page. The server links to the scripts of the app and of the page at the requested
 * address, so that the browser fetches them beside this one (src/server/pages/pages.ts).
 */
import "./styles.css";

void Promise.all([import("./main.js"), domReady()]).then(([{ startApp }]) => {
  startApp();
});

/** This script runs while the page is being read; the app needs its `#root` and the responses in it. */
async function domReady(): Promise<void> {
  if (document.readyState !== "loading") return;
  await new Promise((resolve) => {
    document.addEventListener("DOMContentLoaded", resolve, { once: true });
  });
}
