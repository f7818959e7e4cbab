import { onlineManager, QueryClient } from "@tanstack/react-query";
import { isConnectionLost, onConnectionChange } from "../hooks/connection.js";
import { asApiError } from "./client.js";

/** Whether a retry may succeed: the request had no response, or the server failed. */
function isRetryable(status: number): boolean {
  return status === 0 || status >= 500;
}

// Queries keep their data and pause while the server is unreachable, and resume afterwards.
onlineManager.setEventListener((setOnline) =>
  onConnectionChange(() => setOnline(!isConnectionLost())),
);

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (failures, error) => failures < 2 && isRetryable(asApiError(error).status),
    },
    mutations: { networkMode: "always" },
  },
});
