import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { createMcp } from "./routes.js";

export function mcpFeature(services: Services): Feature {
  const mcp = createMcp(services);
  return { name: "mcp", routes: [mcp.routes], endStreams: mcp.close };
}
