import { queryOptions } from "@tanstack/react-query";
import { client, everyPage } from "../../client.js";

export const sessionsQuery = queryOptions({
  queryKey: ["sessions"],
  queryFn: ({ signal }) => everyPage((query) => client.auth.sessions({ query }, { signal })),
});
