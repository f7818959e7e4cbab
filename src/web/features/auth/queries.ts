import { queryOptions } from "@tanstack/react-query";
import { client } from "../../api.js";

export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: async ({ signal }) => (await client.auth.me(undefined, { signal })).data,
  staleTime: 60_000,
});
