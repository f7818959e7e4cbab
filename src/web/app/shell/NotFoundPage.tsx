import { Link, useRouter } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { paths } from "../../paths/paths.js";
import { Button, buttonClass } from "../../ui/actions/button.js";
import { mayBeSignedIn } from "../../access/signed-in.js";
import { AppShell } from "./app-shell.js";
import { Brand } from "../../components/brand.js";

/** Shown for an unknown address; inside the app shell if the viewer is signed in. */
export function NotFoundPage(): ReactElement {
  if (mayBeSignedIn()) {
    return (
      <AppShell>
        <div className="mx-auto flex max-w-md flex-col items-center gap-3 pt-[10vh] text-center">
          <Explanation />
        </div>
      </AppShell>
    );
  }
  return (
    <main className="mx-auto flex min-h-dvh max-w-md flex-col items-center justify-center gap-3 p-6 text-center">
      <Brand />
      <Explanation />
    </main>
  );
}

function Explanation(): ReactElement {
  const { history } = useRouter();
  return (
    <>
      <title>Page not found · Omoi</title>
      <h1 className="mt-4 text-xl font-semibold">Page not found</h1>
      <p className="text-muted">
        Check the address. Press Ctrl K (⌘K) to search, or open one of these pages:
      </p>
      <div className="mt-2 flex flex-wrap justify-center gap-2">
        <Link {...paths.organizations()} className={buttonClass("primary")}>
          Organizations
        </Link>
        <Link {...paths.projects()} className={buttonClass()}>
          Projects
        </Link>
        <Link {...paths.agents()} className={buttonClass()}>
          Agents
        </Link>
        <Link {...paths.apiKeys()} className={buttonClass()}>
          API Keys
        </Link>
        {history.canGoBack() && <Button onClick={() => history.back()}>Back</Button>}
      </div>
    </>
  );
}
