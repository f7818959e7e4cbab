import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { paths } from "../../paths.js";
import { buttonClass } from "../../ui/button.js";
import { Brand } from "./brand.js";

/** For an address that is no page of the app. */
export function NotFoundPage(): ReactElement {
  return (
    <main className="mx-auto flex min-h-dvh max-w-md flex-col items-center justify-center gap-3 p-6 text-center">
      <title>Page not found · Omoi</title>
      <Brand />
      <h1 className="mt-4 text-xl font-semibold">There is no page at this address</h1>
      <p className="text-muted">
        The address may be mistyped, or the link is older than the page it meant. Everything there
        is can be reached from here:
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
      </div>
    </main>
  );
}
