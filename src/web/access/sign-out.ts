import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type Action, useApiMutation } from "../api/use-mutation.js";
import { ApiError, client } from "../api/client.js";
import { paths } from "../paths/paths.js";
import { forgetSession } from "../hooks/use-persisted-state.js";

/** Ends the session, clears cached data and navigates to the sign-in page. */
export function useSignOut(): Action<undefined> {
  const queries = useQueryClient();
  const navigate = useNavigate();
  return useApiMutation({
    run: async (_input: undefined) => {
      try {
        return await client.auth.logout();
      } catch (error) {
        // The session had already ended: treat this as success.
        if (error instanceof ApiError && error.status === 401)
          return { data: undefined, status: 204 };
        throw error;
      }
    },
    onDone: () => {
      queries.clear();
      forgetSession();
      void navigate({ ...paths.login(), ignoreBlocker: true });
    },
    toastErrors: true,
  });
}
