import { Link } from "@tanstack/react-router";
import { type ReactElement, type ReactNode, useEffect, useRef, useState } from "react";
import { paths } from "../../../paths/paths.js";
import { Button, buttonClass } from "../../../ui/actions/button.js";
import { Icon } from "../../../ui/actions/icons.js";
import { Page } from "../../../ui/layout/page.js";
import { AgentStep } from "./agent-step.js";
import { CommitStep } from "./commit-step.js";
import { ConflictLink, ConflictStep } from "./conflict-step.js";
import { KeyStep } from "./key-step.js";
import { MergeStep } from "./merge-step.js";
import { OrganizationStep } from "./organization-step.js";
import { type Progress, type Step, steps, useProgress, useSkipSteps } from "./progress.js";
import { ProjectStep } from "./project-step.js";

const titles: Record<Step, { title: string; lead: string }> = {
  organization: {
    title: "Create an organization",
    lead: "It holds your projects, agents, members and their limits.",
  },
  project: {
    title: "Add a project",
    lead: "A git repository that agents work on: a new one, or one you have.",
  },
  agent: {
    title: "Give an agent its workspace",
    lead: "A branch and a folder of the agent's own.",
  },
  commit: {
    title: "Make a first commit",
    lead: "Changes in the folder become a commit on the agent's branch.",
  },
  merge: {
    title: "Merge it",
    lead: "The agent's work becomes part of the base branch.",
  },
  conflict: {
    title: "See two agents conflict",
    lead: "Two agents change the same line; Omoi tells before either of them merges.",
  },
  key: {
    title: "Generate an API key",
    lead: "For scripts, CI and git: it acts as you, within its scope.",
  },
};

/** Guides a new user to a working agent; each step performs one action. */
export function WelcomePage(): ReactElement {
  const progress = useProgress();
  const { skip, pending } = useSkipSteps();
  const [opened, setOpened] = useState<Step | null>(null);
  // A key is shown once: its step stays open until the key is copied.
  const [kept, setKept] = useState<Step | null>(null);
  const { done, skipped } = progress;
  const current = kept ?? opened ?? progress.current;
  const count = steps.filter((step) => done.has(step)).length;

  const handleSkip = (step: Step): void => {
    setOpened(null);
    skip([...skipped, step]);
  };
  return (
    <Page
      title="Getting started"
      width="narrow"
      description={
        progress.current === undefined && count === steps.length
          ? "All done. Your agents can work."
          : `${count} of ${steps.length} done. You can finish this later.`
      }
      actions={
        progress.current !== undefined && (
          <Button
            variant="ghost"
            pending={pending}
            onClick={() => skip(steps.filter((step) => !done.has(step)))}
          >
            Skip all
          </Button>
        )
      }
    >
      <ol className="flex flex-col">
        {steps.map((step, index) => (
          <StepItem
            key={step}
            step={step}
            number={index + 1}
            progress={progress}
            isCurrent={step === current}
            isLast={index === steps.length - 1}
            onOpen={() => setOpened(step)}
            onSkip={() => handleSkip(step)}
          >
            <StepBody
              step={step}
              progress={progress}
              onDone={() => setOpened(null)}
              onKeep={(isKept) => {
                setKept(isKept ? step : null);
                if (!isKept) setOpened(null);
              }}
            />
          </StepItem>
        ))}
      </ol>
      {current === undefined && <NextSteps progress={progress} />}
    </Page>
  );
}

interface StepItemProps {
  step: Step;
  number: number;
  progress: Progress;
  isCurrent: boolean;
  isLast: boolean;
  onOpen: () => void;
  onSkip: () => void;
  children: ReactNode;
}

function StepItem({
  step,
  number,
  progress,
  isCurrent,
  isLast,
  onOpen,
  onSkip,
  children,
}: StepItemProps): ReactElement {
  const isDone = progress.done.has(step);
  const { title, lead } = titles[step];
  const heading = useRef<HTMLHeadingElement>(null);
  // A step that opens automatically after the previous one takes the focus.
  const wasCurrent = useRef(isCurrent);
  useEffect(() => {
    if (isCurrent && !wasCurrent.current) heading.current?.focus();
    wasCurrent.current = isCurrent;
  }, [isCurrent]);
  return (
    <li
      aria-current={isCurrent ? "step" : undefined}
      className="grid grid-cols-[2rem_minmax(0,1fr)] gap-x-3"
    >
      <div className="flex flex-col items-center" aria-hidden="true">
        <span
          className={`grid size-8 place-items-center rounded-full text-[13px] font-semibold ${isDone ? "bg-good-soft text-good" : isCurrent ? "bg-accent text-on-accent" : "bg-sunken text-muted"}`}
        >
          {isDone ? <Icon name="check" /> : number}
        </span>
        {!isLast && <span className="my-1 w-px flex-1 bg-line" />}
      </div>
      <div
        className={
          isCurrent
            ? "mb-4 rounded-lg border border-line bg-surface p-4 shadow-raised"
            : "pt-1 pb-5"
        }
      >
        <div className="flex flex-wrap items-start justify-between gap-x-4 gap-y-1">
          <div className="min-w-0">
            <h2 ref={heading} tabIndex={-1} className="font-semibold outline-none">
              {title}
              {isDone && <span className="sr-only"> (done)</span>}
              {progress.skipped.has(step) && (
                <span className="font-normal text-muted"> · skipped</span>
              )}
            </h2>
            {(isCurrent || !isDone) && <p className="text-muted">{lead}</p>}
          </div>
          {isDone && step === "conflict" && <ConflictLink opponents={progress.opponents} />}
          {isCurrent && !isDone ? (
            <Button variant="ghost" size="sm" aria-label={`Skip: ${title}`} onClick={onSkip}>
              Skip
            </Button>
          ) : (
            !isDone &&
            !isCurrent && (
              <Button variant="ghost" size="sm" aria-label={`Open: ${title}`} onClick={onOpen}>
                Open
              </Button>
            )
          )}
        </div>
        {isCurrent && <div className="mt-4">{children}</div>}
      </div>
    </li>
  );
}

interface StepBodyProps {
  step: Step;
  progress: Progress;
  onDone: () => void;
  onKeep: (isKept: boolean) => void;
}

function StepBody({ step, progress, onDone, onKeep }: StepBodyProps): ReactElement {
  const { organization, project, agent, workspace, opponents } = progress;
  const first = (what: string): ReactElement => (
    <p className="text-muted">This needs {what} first.</p>
  );
  switch (step) {
    case "organization":
      return <OrganizationStep onDone={onDone} />;
    case "project":
      return organization ? (
        <ProjectStep orgId={organization.id} project={project} onDone={onDone} />
      ) : (
        first("an organization")
      );
    case "agent":
      return organization && project?.status === "ready" ? (
        <AgentStep orgId={organization.id} project={project} agent={agent} onDone={onDone} />
      ) : (
        first("a project")
      );
    case "commit":
      return agent && workspace ? (
        <CommitStep agent={agent} workspace={workspace} onDone={onDone} />
      ) : (
        first("an agent with a workspace")
      );
    case "merge":
      return agent && project && workspace && workspace.counts.commits > 0 ? (
        <MergeStep agent={agent} project={project} workspace={workspace} onDone={onDone} />
      ) : (
        first("a commit of an agent")
      );
    case "conflict":
      return agent && project && project.counts.merges > 0 ? (
        <ConflictStep agent={agent} project={project} opponents={opponents} onKeep={onKeep} />
      ) : (
        first("a merge")
      );
    case "key":
      return organization ? (
        <KeyStep organization={organization} onKeep={onKeep} />
      ) : (
        first("an organization")
      );
  }
}

function NextSteps({
  progress: { organization, agent, project },
}: {
  progress: Progress;
}): ReactElement {
  return (
    <div className="rounded-lg border border-line bg-surface p-4">
      <h2 className="font-semibold">Next steps</h2>
      <p className="mt-1 text-muted">
        The API offers everything that these pages do. Press Ctrl K (⌘K) to search.
      </p>
      <div className="mt-3 flex flex-wrap gap-2">
        {agent && (
          <Link {...paths.workspace(agent.id)} className={buttonClass("primary")}>
            Open the workspace
          </Link>
        )}
        {project && (
          <Link {...paths.project(project.id)} className={buttonClass()}>
            Open the project
          </Link>
        )}
        {organization && (
          <Link
            {...paths.organizationSettings(organization.id, { tab: "members" })}
            className={buttonClass()}
          >
            Invite people
          </Link>
        )}
        <a href="/api/docs" className={buttonClass()}>
          API reference
        </a>
      </div>
    </div>
  );
}
