import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { Agent } from "#shared/api/agents/agents.js";
import type { Run } from "#shared/api/agents/runs.js";
import { useDenyReason } from "../../access/permissions.js";
import { client } from "../../api/client.js";
import { agentsKey } from "../../api/queries/agents.js";
import { presetsQuery, sandboxQuery } from "../../api/queries/runs.js";
import { workspacesKey } from "../../api/queries/workspaces.js";
import { useApiMutation } from "../../api/use-mutation.js";
import { isolationOf } from "../../components/runs/isolation.js";
import { demoScript } from "../../components/runs/run-values.js";
import { StartRunDialog } from "../../components/runs/start-run-dialog.js";
import { startDisabledReason } from "../../components/runs/start-reason.js";
import { paths } from "../../paths/paths.js";
import { Button } from "../../ui/actions/button.js";
import { Alert } from "../../ui/feedback/alert.js";
import { PlainText } from "../../ui/text/plain-text.js";

const prompt = "Write a short hello.md that says what this project is about.";

/** Starts a program that works on this machine, or a scripted demo. Empty where no run can start. */
export function FirstRun({ agent }: { agent: Agent }): ReactElement | null {
  const [isOpen, setOpen] = useState(false);
  const [started, setStarted] = useState<Run | null>(null);
  const { data: sandbox } = useQuery(sandboxQuery);
  const { data: presets } = useQuery(presetsQuery);
  const refusal = useDenyReason(agent.organization_id);
  const demo = useApiMutation({
    run: (_input: undefined, headers) =>
      client.runs.create(
        { params: { agent_id: agent.id }, body: { command: ["sh", "-c", demoScript] } },
        { headers },
      ),
    refresh: [agentsKey, workspacesKey],
    onDone: setStarted,
    toastErrors: true,
  });
  const isolation = sandbox && isolationOf(sandbox, agent.workspace_type);
  if (sandbox === undefined || presets === undefined) return null;
  if (startDisabledReason(agent, refusal("agent:run"), isolation) !== undefined) return null;
  const program = presets.find(({ name, available }) => available && name !== "custom");
  return (
    <div className="flex flex-col gap-2">
      <p>
        {program
          ? `${program.title} works on this machine. It needs a key of its model provider; the demo script needs nothing.`
          : "Let the agent make a change. The demo script needs no other program and no key."}
      </p>
      <div className="flex flex-wrap gap-2">
        {program && (
          <Button variant="primary" onClick={() => setOpen(true)}>
            Start {program.title}
          </Button>
        )}
        <Button
          variant={program ? "secondary" : "primary"}
          pending={demo.pending}
          onClick={() => demo.submit(undefined)}
        >
          Run the demo script
        </Button>
      </div>
      {started && (
        <Alert tone="info" live>
          <PlainText value={agent.name} /> is working. Its changes are committed at the end of{" "}
          <Link {...paths.run(agent.id, started.id)} className="underline">
            the run
          </Link>
          .
        </Alert>
      )}
      <StartRunDialog
        isOpen={isOpen}
        onClose={() => setOpen(false)}
        agent={agent}
        isolation={isolation}
        task={agent.task?.text ?? null}
        prompt={prompt}
        run={null}
      />
    </div>
  );
}
