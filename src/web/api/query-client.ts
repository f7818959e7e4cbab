import { QueryClient } from "@tanstack/react-query";
import { asApiError } from "./client.js";

/** Tries again only what may be different the next time: no answer, or a server in trouble. */
function mayPass(status: number): boolean {
  return status === 0 || status >= 500;
}

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      networkMode: "always",
      retry: (failures, error) => failures < 2 && mayPass(asApiError(error).status),
    },
    mutations: { networkMode: "always" },
  },
});
