// Thorough: further clients, which use the same tools.
import { describe } from "vitest";
import { mcpClients, prepareMcp, testWork } from "#test/support/server/mcp.js";

prepareMcp();

describe.each(["before it", "2026-07-28 over omoi mcp", "before it over omoi mcp"] as const)(
  "a client of the protocol %s",
  (name) => testWork(mcpClients[name]),
);
