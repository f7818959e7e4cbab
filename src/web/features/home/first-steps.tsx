import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { paths } from "../../paths/paths.js";
import { buttonClass } from "../../ui/actions/button.js";
import { EmptyState } from "../../ui/feedback/states.js";

/** In place of all sections, while the organization has no agents. */
export function FirstSteps({ hasProject }: { hasProject: boolean }): ReactElement {
  return (
    <EmptyState
      title="Nothing needs you yet"
      action={
        <span className="flex flex-wrap justify-center gap-2">
          {hasProject ? (
            <Link {...paths.agents({ new: true })} className={buttonClass("primary")}>
              New agent
            </Link>
          ) : (
            <Link {...paths.projects({ new: true })} className={buttonClass("primary")}>
              New project
            </Link>
          )}
          <Link {...paths.welcome()} className={buttonClass()}>
            Getting started
          </Link>
        </span>
      }
    >
      {hasProject
        ? "Start your first agent: its questions, failures and conflicts will appear here, and what it has done today."
        : "Create a project, then the agents that work on it: their questions, failures and conflicts will appear here."}
    </EmptyState>
  );
}
