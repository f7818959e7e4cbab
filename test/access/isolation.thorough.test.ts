// Thorough: the same tests as in isolation.test.ts, through a second node.
import { describeIsolation } from "../support/access/describe-isolation.js";
import { queryAsOwner } from "../support/database/queries.js";
import type { TestApp } from "../support/server/app.js";
import { startCluster } from "../support/server/cluster.js";

describeIsolation("isolation through a node that is not the home", async () => {
  const env = { OMOI_PUBLIC_URL: "https://omoi.example.com", OMOI_REGISTRATION: "open" };
  const cluster = await startCluster(["one", "two"], env);
  const app = cluster.nodes[1] as TestApp;
  // New projects go to the other node.
  await queryAsOwner(app, "update nodes set draining = name = 'two'");
  return { app, close: () => cluster.close() };
});
