/*
 * What a page begins with. Its own code, who is signed in and the organizations, which every page shows,
 * are all asked for at once, while the rest of the app is still on its way.
 */
import "./styles.css";
import { askEarly } from "./early.js";
import { mayBeSignedIn } from "./features/auth/signed-in.js";
import { pageAt } from "./pages.js";

const { load, isPublic } = pageAt(location.pathname, mayBeSignedIn());
if (!isPublic) {
  askEarly("/api/v1/auth/me");
  askEarly("/api/v1/organizations?limit=200");
}
// A failure is told by the router, which asks for the same.
load?.().catch(() => {});
void import("./main.js");
