import { describeIsolation } from "../support/access/describe-isolation.js";
import { startTestApp } from "../support/server/app.js";

// Through a second node, the same tests are in isolation.thorough.test.ts.
describeIsolation("isolation over HTTP", async () => {
  const app = await startTestApp();
  return { app, close: () => app.close() };
});
