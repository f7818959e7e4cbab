import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiError, onSignedOut } from "../api/client.js";
import { meQuery } from "../api/queries/identity/auth.js";
import { forgetSignIn } from "../access/signed-in.js";
import { paths } from "../paths/paths.js";
import { queryClient } from "../api/query-client.js";
import { router } from "./routes.js";

/**
 * Renders the app. A function, not an import side effect: a page's chunk may import this file's chunk
 * before the preloaded responses exist (preloaded-responses.ts).
 */
export function startApp(): void {
  onSignedOut(() => {
    forgetSignIn();
    // Without a session, the route redirects to the sign-in page (routes.tsx).
    if (queryClient.getQueryData(meQuery.queryKey) === undefined) return;
    const { href } = router.state.location;
    // Clear all data of the previous session.
    queryClient.clear();
    void router.navigate({
      ...paths.login({ redirect: href, ended: true }),
      replace: true,
      ignoreBlocker: true,
    });
  });

  const element = document.getElementById("root");
  if (element === null) throw new Error("index.html has no #root");

  createRoot(element, {
    // API errors are shown by the page (page-states.tsx); any other error is a defect.
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
