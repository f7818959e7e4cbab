import { queryOptions } from "@tanstack/react-query";
import { ApiError, client } from "../../client.js";

/** The request of a user code; null if there is none, or another person answered it. */
export const deviceLoginQuery = (user_code: string) =>
  queryOptions({
    queryKey: ["device-login", user_code],
    queryFn: async ({ signal }) => {
      try {
        return (await client.deviceLogin.get({ params: { user_code } }, { signal })).data;
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      }
    },
    // An answered request ends when its program fetches the key; its result stays on the page.
    staleTime: Infinity,
  });
