import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { openNewTask } from "../../../hooks/new-task.js";
import { paths } from "../../../paths/paths.js";
import { Button, buttonClass } from "../../../ui/actions/button.js";
import { EmptyState } from "../../../ui/feedback/states.js";

/** In place of all sections, while the organization has no agents. */
export function FirstSteps({ hasProject }: { hasProject: boolean }): ReactElement {
  return (
    <EmptyState
      title="Nothing needs you yet"
      action={
        <span className="flex flex-wrap justify-center gap-2">
          {hasProject ? (
            <Button variant="primary" aria-haspopup="dialog" onClick={() => openNewTask()}>
              New task
            </Button>
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
        ? "Start your first task: its questions, results and failures will appear here, and what was done today."
        : "Create a project, then tasks for its agents: their questions, results and failures will appear here."}
    </EmptyState>
  );
}
