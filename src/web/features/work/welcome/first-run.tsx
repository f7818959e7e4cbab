import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { Agent } from "#shared/api/work/agents.js";
import type { NewRun, Run } from "#shared/api/execution/runs.js";
import { useDenyReason } from "../../../access/permissions.js";
import { client } from "../../../api/client.js";
import { agentsKey } from "../../../api/queries/work/agents.js";
import { latestRunQuery, presetsQuery, sandboxQuery } from "../../../api/queries/execution/runs.js";
import { secretsQuery } from "../../../api/queries/execution/secrets.js";
import { workspacesKey } from "../../../api/queries/code/workspaces.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { isolationOf } from "../../execution/parts/runs/isolation.js";
import { demoScript } from "../../execution/parts/runs/run-values.js";
import { StartRunDialog } from "../../execution/parts/runs/start/start-run-dialog.js";
import { startDisabledReason } from "../../execution/parts/runs/start/start-reason.js";
import { paths } from "../../../paths/paths.js";
import { Button } from "../../../ui/actions/button.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { problemOf } from "./opponents.js";

const prompt = "Write a short hello.md that says what this project is about.";

/**
 * Starts a program that works on this machine, or a scripted demo. With a key among the secrets, one
 * click starts the program; without, a dialog asks for it, and the demo comes first.
 */
export function FirstRun({ agent }: { agent: Agent }): ReactElement | null {
  const [isOpen, setOpen] = useState(false);
  const { data: sandbox } = useQuery(sandboxQuery);
  const { data: presets } = useQuery(presetsQuery);
  const { data: last } = useQuery(latestRunQuery(agent.id));
  const refusal = useDenyReason(agent.organization_id);
  const owner = { orgId: agent.organization_id, projectId: null };
  const secrets = useQuery({
    ...secretsQuery(owner),
    enabled: refusal("org:secrets:read") === undefined,
  });
  const start = useApiMutation({
    run: (body: NewRun, headers) =>
      client.runs.create(
        { params: { agent_id: agent.id }, body: { ...body, queue: true } },
        { headers },
      ),
    refresh: [agentsKey, workspacesKey],
    toastErrors: true,
  });
  const isolation = sandbox && isolationOf(sandbox, agent.workspace_type);
  if (sandbox === undefined || presets === undefined || secrets.isLoading) return null;
  const reason = startDisabledReason(agent, refusal("agent:run"), isolation);
  if (reason !== undefined) return <Alert tone="info">No run can start here. {reason}</Alert>;
  const program = presets.find(({ name, available }) => available && name !== "custom");
  const hasKey = secrets.data?.some(({ name }) => name === program?.secret) ?? false;
  const isWorking = last ? last.ended_at === null : false;
  const pending = start.pending || isWorking;
  const startProgram = (): void => {
    if (program && hasKey) start.submit({ preset: program.name, prompt });
    else setOpen(true);
  };
  return (
    <div className="flex flex-col gap-3">
      <p>
        {program
          ? hasKey
            ? `${program.title} writes a short hello.md, with the key among the secrets. The demo script needs no key: it plays an agent and writes the file itself.`
            : `${program.title} works on this machine, and needs a key of its model provider. The demo script needs none: it plays an agent and writes a hello.md.`
          : "No coding agent can start on this machine, so a demo script plays one: it writes a hello.md, and needs no key."}
      </p>
      <div className="flex flex-wrap gap-2">
        {program && (
          <Button
            variant={hasKey ? "primary" : "secondary"}
            className={hasKey ? "" : "order-last"}
            pending={pending}
            onClick={startProgram}
          >
            Start {program.title}
          </Button>
        )}
        <Button
          variant={program && hasKey ? "secondary" : "primary"}
          pending={pending}
          onClick={() => start.submit({ command: ["sh", "-c", demoScript] })}
        >
          Run the demo script
        </Button>
      </div>
      {last && <Outcome agent={agent} run={last} />}
      <StartRunDialog
        isOpen={isOpen}
        onClose={() => setOpen(false)}
        onStarted={() => setOpen(false)}
        agent={agent}
        isolation={isolation}
        task={agent.task?.text ?? null}
        prompt={prompt}
        run={null}
      />
    </div>
  );
}

/** The newest run, which has made no commit yet: at work, or why it brought none. */
function Outcome({ agent, run }: { agent: Agent; run: Run }): ReactElement {
  const link = (
    <Link {...paths.run(agent.id, run.id)} className="underline">
      Show the run
    </Link>
  );
  if (run.ended_at === null) {
    return (
      <Alert tone="info" live>
        <PlainText value={agent.name} />{" "}
        {run.status === "queued" ? "waits for a free slot" : "is working"}. Its changes are
        committed at the end. {link}
      </Alert>
    );
  }
  const problem = problemOf(run);
  return (
    <Alert tone={problem === null ? "info" : "bad"} live>
      {problem === null ? (
        "The run has ended."
      ) : (
        <>
          The run made no commit: <PlainText value={problem} />
        </>
      )}{" "}
      {link}
    </Alert>
  );
}
