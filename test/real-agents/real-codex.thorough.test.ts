import { installCodex } from "./install-agents.js";
import { testAgents } from "./test-agents.js";

testAgents(await installCodex(), [
  {
    preset: "codex",
    session: { mode: "agent-full-access", chosen: "read-only", requests: 2, showsEdits: true },
  },
]);
