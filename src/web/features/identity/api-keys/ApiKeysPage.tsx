import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { ApiKey } from "#shared/api/identity/api-keys.js";
import { useLoaded } from "../../../api/use-loaded.js";
import { useListView } from "../../../lists/list-search.js";
import { paths } from "../../../paths/paths.js";
import { buttonClass } from "../../../ui/actions/button.js";
import { Card, Details } from "../../../ui/layout/card.js";
import { CopyButton } from "../../../ui/feedback/copy-button.js";
import { Icon } from "../../../ui/actions/icons.js";
import { ListToolbar, NothingFound, Pager, type Sorting } from "../../../ui/tables/list-view.js";
import { Page } from "../../../ui/layout/page.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";
import { EmptyState } from "../../../ui/feedback/states.js";
import { Time } from "../../../ui/text/time.js";
import { KeyStatus, Scopes } from "../parts/api-keys/key-status.js";
import { apiKeysQuery } from "../../../api/queries/identity/api-keys.js";
import { RevokeButton } from "./revoke-button.js";

const sortings: readonly Sorting<ApiKey>[] = [
  { key: "name", label: "Name", by: ({ name }) => name },
  { key: "created", label: "Created", by: ({ created_at }) => created_at },
  { key: "used", label: "Last Used", by: ({ last_used_at }) => last_used_at },
  { key: "expires", label: "Expires", by: ({ expires_at }) => expires_at },
  { key: "status", label: "Status", by: ({ status }) => status },
];
const textOf = ({ name, description, key_hint, scopes, status }: ApiKey): string =>
  [name, description, key_hint, ...scopes, status].join(" ");

export function ApiKeysPage(): ReactElement {
  const { data: keys } = useLoaded(apiKeysQuery);
  const view = useListView(keys, { sortings, textOf });
  const generate = (
    <Link {...paths.newApiKey()} className={buttonClass("primary")}>
      <Icon name="plus" />
      Generate New API Key
    </Link>
  );
  return (
    <Page
      title="API Key Management"
      documentTitle="API Keys"
      description="For scripts, CI and git: each acts as you, within its scope."
      actions={generate}
    >
      {keys.length === 0 ? (
        <EmptyState title="No API keys yet" action={generate}>
          Generate one to call the API, or to clone with git (the key is the password).
        </EmptyState>
      ) : (
        <div className="flex flex-col gap-4">
          <ListToolbar
            view={view}
            noun="API key"
            placeholder="Name, key or scope"
            hasShortcut
            isOfCards
          />
          {view.found === 0 && <NothingFound view={view} noun="API key" />}
          {view.pageRows.map((key) => (
            <KeyCard key={key.id} apiKey={key} />
          ))}
          <Pager view={view} label="Pages of API keys" />
        </div>
      )}
    </Page>
  );
}

function KeyCard({ apiKey }: { apiKey: ApiKey }): ReactElement {
  return (
    <Card
      title={
        <>
          <span className="font-normal text-muted">Key: </span>
          <code className="font-mono text-[13px]">{apiKey.key_hint}</code>
        </>
      }
      footer={
        <>
          <RevokeButton apiKey={apiKey} size="sm" />
          <CopyButton
            size="sm"
            label="Copy key ID"
            text={apiKey.id}
            done="Key ID copied. The key itself was shown once and cannot be copied again."
          />
          <Link
            {...paths.apiKey(apiKey.id)}
            aria-label={`View Details of ${visible(apiKey.name)}`}
            className={buttonClass("secondary", "sm")}
          >
            View Details
          </Link>
        </>
      }
    >
      <Details
        columns={2}
        rows={{
          Name: <PlainText value={apiKey.name} />,
          Scope: <Scopes scopes={apiKey.scopes} />,
          Created: <Time value={apiKey.created_at} dateOnly />,
          "Last Used":
            apiKey.last_used_at === null ? "Never" : <Time value={apiKey.last_used_at} />,
          Status: <KeyStatus apiKey={apiKey} />,
          Expires:
            apiKey.expires_at === null ? "Never" : <Time value={apiKey.expires_at} dateOnly />,
        }}
      />
    </Card>
  );
}
