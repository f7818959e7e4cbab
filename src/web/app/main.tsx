import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiError, onSignedOut } from "../api/client.js";
import { meQuery } from "../api/queries/auth.js";
import { forgetSignIn } from "../access/signed-in.js";
import { paths } from "../paths/paths.js";
import { queryClient } from "../api/query-client.js";
import { router } from "./routes.js";

/**
 * Shows the app. Not by being imported: pages may come sooner than what was sent along with them
 * (preloaded-responses.ts), and their code imports this file's chunk.
 */
export function startApp(): void {
  onSignedOut(() => {
    forgetSignIn();
    // Nobody was signed in yet: the route says so itself, and where to go (routes.tsx).
    if (queryClient.getQueryData(meQuery.queryKey) === undefined) return;
    const { href } = router.state.location;
    // Nothing of the last session stays readable.
    queryClient.clear();
    void router.navigate({
      ...paths.login({ redirect: href }),
      replace: true,
      ignoreBlocker: true,
    });
  });

  const element = document.getElementById("root");
  if (element === null) throw new Error("index.html has no #root");

  createRoot(element, {
    // The page shows what the API refuses (page-states.tsx); anything else is a defect.
    onCaughtError: (error) => {
      if (!(error instanceof ApiError)) console.error(error);
    },
  }).render(
    <StrictMode>
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  );
}
