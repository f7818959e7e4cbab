import { installAgents } from "./install-agents.js";
import { testAgents } from "./test-agents.js";

testAgents(await installAgents(), [
  {
    preset: "claude-code",
    session: { mode: "default", chosen: null, requests: 2, showsEdits: true },
  },
  {
    preset: "opencode",
    model: "anthropic/claude-sonnet-4-5",
    session: { mode: null, chosen: null, requests: 0, showsEdits: false },
  },
]);
