import { type ReactElement, type ReactNode, useState } from "react";
import type { Project, Upstream } from "#shared/api/code/projects.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { client } from "../../../../api/client.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { Button } from "../../../../ui/actions/button.js";
import { Card, Details } from "../../../../ui/layout/card.js";
import { CopyLine } from "../../../../ui/feedback/copy-button.js";
import { Progress } from "../../../../ui/feedback/meter.js";
import { countOf, formatNumber } from "../../../../ui/text/number.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { Time } from "../../../../ui/text/time.js";
import { useAnnounceChange } from "../../../../ui/feedback/toast.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { CredentialDialog } from "./credential-dialog.js";
import { isSsh } from "../../parts/projects/credential-fields.js";
import { FetchReport } from "./fetch-report.js";
import { isTransferring, projectsKey } from "../../../../api/queries/code/projects.js";
import { ConfirmButton } from "../../../../components/confirmations.js";

interface UpstreamCardProps {
  project: Project;
  upstream: Upstream;
  refusal: DenyReason;
}

/** The project's upstream: new commits on both sides, and the credential. */
export function UpstreamCard({ project, upstream, refusal }: UpstreamCardProps): ReactElement {
  const params = { project_id: project.id };
  const fetching = useApiMutation({
    run: (_: undefined, headers) => client.upstreams.fetch({ params }, { headers }),
    refresh: [projectsKey],
    toastErrors: true,
  });
  const pushing = useApiMutation({
    run: (_: undefined, headers) => client.upstreams.push({ params, body: {} }, { headers }),
    refresh: [projectsKey],
    toastErrors: true,
  });
  const cancelling = useApiMutation({
    run: (_: undefined) => client.upstreams.cancelFetch({ params }),
    refresh: [projectsKey],
    successMessage: () => "The fetch is canceled",
    toastErrors: true,
  });
  const isOver = !["fetching", "pushing"].includes(upstream.status);
  const end = upstream.error === null ? "is done" : "failed";
  useAnnounceChange(
    project.id,
    upstream.status,
    isOver ? `The exchange with upstream ${end}` : undefined,
  );
  const busy = isTransferring(project) ? "Wait until the current transfer has ended." : undefined;
  const mayWrite = refusal("project:write");
  const isImported = project.status === "ready";
  const actions = (
    <>
      <Button
        pending={fetching.pending}
        disabledReason={mayWrite ?? busy}
        onClick={() => fetching.submit(undefined)}
      >
        {isImported ? "Fetch" : "Import again"}
      </Button>
      {isImported && (
        <Button
          pending={pushing.pending}
          disabledReason={mayWrite ?? refusal("project:git:write") ?? busy}
          onClick={() => pushing.submit(undefined)}
        >
          Push {visible(project.default_branch)}
        </Button>
      )}
    </>
  );
  return (
    <Card title="Upstream" actions={actions}>
      <div className="flex flex-col gap-4">
        {upstream.error !== null && (
          <Alert>
            <PlainText value={upstream.error} multiline />
          </Alert>
        )}
        {upstream.status === "fetching" && (
          <UnderWay label="Fetching" percent={upstream.progress}>
            <Button
              size="sm"
              pending={cancelling.pending}
              disabledReason={mayWrite}
              onClick={() => cancelling.submit(undefined)}
            >
              Cancel
            </Button>
          </UnderWay>
        )}
        {upstream.status === "pushing" && <UnderWay label="Pushing" percent={upstream.progress} />}
        <Details
          rows={{
            Address: <PlainText value={upstream.url} className="font-mono text-[13px] break-all" />,
            ...(isImported ? { "Default branch": comparisonOf(upstream) } : {}),
            "Last fetched": upstream.fetched_at ? <Time value={upstream.fetched_at} /> : "Never",
            "Last pushed": upstream.pushed_at ? <Time value={upstream.pushed_at} /> : "Never",
            Credential: (
              <Credential project={project} upstream={upstream} reason={mayWrite ?? busy} />
            ),
            ...(isSsh(upstream.url)
              ? {
                  "Host key": (
                    <HostKey project={project} upstream={upstream} reason={mayWrite ?? busy} />
                  ),
                }
              : {}),
          }}
        />
        {upstream.credential?.public_key != null && (
          <div className="flex flex-col gap-1.5">
            <p className="text-[13px] font-medium">Public key</p>
            <CopyLine text={upstream.credential.public_key} label="Copy public key" />
            <p className="text-[13px] text-muted">
              Add it to the repository as a deploy key; to push, with write access.
            </p>
          </div>
        )}
        {isImported && <FetchReport project={project} report={upstream.last_fetch} />}
      </div>
    </Card>
  );
}

function UnderWay({
  label,
  percent,
  children,
}: {
  label: string;
  percent: number;
  children?: ReactNode;
}): ReactElement {
  return (
    <div className="flex flex-wrap items-end gap-x-4 gap-y-2">
      <div className="flex min-w-48 flex-1 flex-col gap-1">
        <span className="text-[13px] text-muted tabular-nums">
          {label} {percent} %
        </span>
        <Progress label={label} percent={percent} />
      </div>
      {children}
    </div>
  );
}

/** Describes how far the two sides have diverged, as of the last fetch or push. */
function comparisonOf({ ahead, behind }: Upstream): string {
  if (ahead === null || behind === null) return "Not compared yet: fetch first";
  if (ahead === 0 && behind === 0) return "The same on both sides";
  if (behind === 0) return `${countOf(ahead, "commit")} to push`;
  if (ahead === 0) return `${countOf(behind, "commit")} to fetch`;
  return `${countOf(ahead, "commit")} only here, ${formatNumber(behind)} only upstream: to be brought together before a push`;
}

interface PartProps {
  project: Project;
  upstream: Upstream;
  reason: string | undefined;
}

function Credential({ project, upstream, reason }: PartProps): ReactElement {
  const [isOpen, setOpen] = useState(false);
  const { credential, url } = upstream;
  if (url.startsWith("file:")) return <>None is needed</>;
  return (
    <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
      <span className="min-w-0">{credential === null ? "None" : describe(credential)}</span>
      <span className="flex gap-2">
        <Button size="sm" disabledReason={reason} onClick={() => setOpen(true)}>
          {credential === null ? "Set credential" : "Replace"}
        </Button>
        {credential !== null && (
          <ConfirmButton
            size="sm"
            label="Remove"
            disabledReason={reason}
            title="Remove the credential?"
            action="Remove credential"
            mutation={{
              run: () => client.upstreams.removeCredential({ params: { project_id: project.id } }),
              refresh: [projectsKey],
              successMessage: () => "The credential is removed",
            }}
          >
            It is forgotten here and cannot be shown again. Fetch and push of a private repository
            stop working until another one is set.
          </ConfirmButton>
        )}
      </span>
      <CredentialDialog
        isOpen={isOpen}
        onClose={() => setOpen(false)}
        projectId={project.id}
        url={url}
        isReplacing={credential !== null}
      />
    </div>
  );
}

function describe(credential: NonNullable<Upstream["credential"]>): ReactNode {
  const { kind, username, hint, fingerprint, set_at } = credential;
  return (
    <>
      {kind === "https_token" ? (
        <>
          Access token {hint !== null && <code className="font-mono text-[13px]">{hint}</code>} of{" "}
          <PlainText value={username ?? ""} />
        </>
      ) : (
        <>
          SSH key <code className="font-mono text-[13px] break-all">{fingerprint}</code>
        </>
      )}
      , set <Time value={set_at} />
    </>
  );
}

function HostKey({ project, upstream, reason }: PartProps): ReactElement {
  if (upstream.host_key === null) return <>The first one that is seen will be trusted</>;
  return (
    <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
      <code className="min-w-0 font-mono text-[13px] break-all">{upstream.host_key}</code>
      <ConfirmButton
        size="sm"
        label="Trust another"
        disabledReason={reason}
        title="Trust another host key?"
        action="Trust the next one"
        mutation={{
          run: () =>
            client.upstreams.trustHostKey({
              params: { project_id: project.id },
              body: { host_key: null },
            }),
          refresh: [projectsKey],
          successMessage: () => "The next host key that is seen will be trusted",
        }}
      >
        The key that the server shows next will be trusted from then on. Do this only if the
        server's operator has changed its key. Otherwise a third party may intercept the connection.
      </ConfirmButton>
    </div>
  );
}
