import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { startMeasuring } from "./disk-usage.js";

export function diskUsageFeature({ workspaces, log }: Services): Feature {
  let measuring: ReturnType<typeof startMeasuring> | undefined;
  return {
    name: "disk-usage",
    start: () => {
      measuring = startMeasuring(workspaces, log);
    },
    close: async () => measuring?.stop(),
  };
}
