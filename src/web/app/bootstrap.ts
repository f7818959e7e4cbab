/*
 * What a page begins with: its own code is fetched while the rest of the app is on its way. What it shows
 * first came along with it (early.ts).
 */
import "./styles.css";
import { pageAt } from "#shared/page-address.js";
import { mayBeSignedIn } from "../access/signed-in.js";
import { pages } from "./pages.js";

const { pattern } = pageAt(location.pathname, mayBeSignedIn());
// A failure is told by the router, which asks for the same.
if (pattern) pages[pattern]().catch(() => {});
void Promise.all([import("./main.js"), domReady()]).then(([{ startApp }]) => {
  startApp();
});

/** This runs beside the reading of the page (vite.config.ts); the app wants its `#root` and its answers. */
async function domReady(): Promise<void> {
  if (document.readyState !== "loading") return;
  await new Promise((resolve) => {
    document.addEventListener("DOMContentLoaded", resolve, { once: true });
  });
}
