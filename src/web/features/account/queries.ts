import { queryOptions } from "@tanstack/react-query";
import { client } from "../../api.js";

export const sessionsQuery = queryOptions({
  queryKey: ["sessions"],
  queryFn: async ({ signal }) => (await client.auth.sessions(undefined, { signal })).data,
});
