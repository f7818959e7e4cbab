import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { paths } from "../../../paths/paths.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { Button, buttonClass } from "../../../ui/actions/button.js";
import { Card, Details } from "../../../ui/layout/card.js";
import { CopyButton, CopyLine } from "../../../ui/feedback/copy-button.js";
import { CrumbLink } from "../../../components/crumb-link.js";
import { Page } from "../../../ui/layout/page.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { Time } from "../../../ui/text/time.js";
import { Scopes } from "../parts/api-keys/key-status.js";
import { useKeyGuard } from "../parts/api-keys/use-key-guard.js";
import { apiKeyQuery } from "../../../api/queries/identity/api-keys.js";
import { SecretText } from "../../../ui/text/secret-text.js";

function download(secret: string): void {
  const url = URL.createObjectURL(new Blob([`OMOI_API_KEY=${secret}\n`], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = "omoi.env";
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

export function CreatedKey({ keyId, secret }: { keyId: string; secret: string }): ReactElement {
  const { data: apiKey } = useQuery(apiKeyQuery(keyId));
  const { onSaved } = useKeyGuard(secret);
  const example = `curl -H "Authorization: Bearer $OMOI_API_KEY" ${location.origin}/api/v1/projects`;
  return (
    <Page
      title="API Key Created ✓"
      documentTitle="API Key Created"
      width="narrow"
      crumbs={[
        <CrumbLink key="apiKeys" {...paths.apiKeys()}>
          API Keys
        </CrumbLink>,
      ]}
    >
      <Card>
        <div className="flex flex-col gap-4">
          <Alert tone="warn" live>
            <strong className="font-semibold">IMPORTANT:</strong> Copy this key now. You won't be
            able to see it again!
          </Alert>
          <SecretText
            data-testid="secret"
            // Selecting and copying by hand counts, too.
            onCopy={onSaved}
          >
            {secret}
          </SecretText>
          <div className="flex flex-wrap gap-2">
            <CopyButton
              variant="primary"
              label="Copy Key"
              text={secret}
              done="Key copied"
              onCopied={onSaved}
            />
            <Button
              icon="download"
              onClick={() => {
                download(secret);
                onSaved();
              }}
            >
              Download Key
            </Button>
          </div>
          {apiKey && (
            <Details
              rows={{
                Name: <PlainText value={apiKey.name} />,
                Scope: <Scopes scopes={apiKey.scopes} />,
                Expires: apiKey.expires_at === null ? "Never" : <Time value={apiKey.expires_at} />,
              }}
            />
          )}
          <div className="flex flex-col gap-1.5">
            <h2 className="text-[13px] font-medium">Usage Example:</h2>
            <CopyLine text={example} label="Copy usage example" />
          </div>
          <div className="flex justify-end">
            <Link {...paths.apiKeys()} className={buttonClass("primary")}>
              Done
            </Link>
          </div>
        </div>
      </Card>
    </Page>
  );
}
