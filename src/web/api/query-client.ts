import { onlineManager, QueryClient } from "@tanstack/react-query";
import { isConnectionLost, onConnectionChange } from "../hooks/connection.js";
import { asApiError } from "./client.js";

/** Tries again only what may be different the next time: no answer, or a server in trouble. */
function mayPass(status: number): boolean {
  return status === 0 || status >= 500;
}

// While the server cannot be reached, queries keep their data and pause; afterwards they go on.
onlineManager.setEventListener((setOnline) =>
  onConnectionChange(() => setOnline(!isConnectionLost())),
);

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (failures, error) => failures < 2 && mayPass(asApiError(error).status),
    },
    mutations: { networkMode: "always" },
  },
});
