import { MutationCache, onlineManager, QueryClient } from "@tanstack/react-query";
import { isConnectionLost, onConnectionChange } from "../hooks/connection.js";
import { asApiError } from "./client.js";
import { maintenanceKey } from "./queries/operation/maintenance.js";

/** Whether a retry may succeed: the request had no response, or the server failed. */
function isRetryable(status: number): boolean {
  return status === 0 || status >= 500;
}

// Queries keep their data and pause while the server is unreachable, and resume afterwards.
onlineManager.setEventListener((setOnline) =>
  onConnectionChange(() => setOnline(!isConnectionLost())),
);

export const queryClient = new QueryClient({
  // The page shows the maintenance as soon as it has refused something.
  mutationCache: new MutationCache({
    onError: (error) => {
      if (asApiError(error).code !== "maintenance") return;
      void queryClient.invalidateQueries({ queryKey: maintenanceKey });
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (failures, error) => failures < 2 && isRetryable(asApiError(error).status),
    },
    mutations: { networkMode: "always" },
  },
});
