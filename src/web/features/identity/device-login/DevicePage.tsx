import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { userCodeFrom } from "#shared/identity/user-code.js";
import { deviceLoginQuery } from "../../../api/queries/identity/device-login.js";
import { ResourceCard } from "../../../components/resource-card.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { Card } from "../../../ui/layout/card.js";
import { Page } from "../../../ui/layout/page.js";
import { CodeForm } from "./code-form.js";
import { LoginRequest } from "./login-request.js";

const route = getRouteApi("/app/device");

/** Approves or denies a program that asks for an API key by a code. */
export function DevicePage(): ReactElement {
  const { code } = route.useSearch();
  const userCode = code === undefined ? null : userCodeFrom(code);
  return (
    <Page
      title="Sign in a program"
      width="narrow"
      description="The command line and other programs show a code, and get an API key of yours when you approve it."
    >
      {userCode === null ? (
        <Card>
          <CodeForm entered={code ?? ""} />
        </Card>
      ) : (
        <RequestOf key={userCode} userCode={userCode} />
      )}
    </Page>
  );
}

function RequestOf({ userCode }: { userCode: string }): ReactElement {
  const query = useQuery(deviceLoginQuery(userCode));
  return (
    <ResourceCard query={query} what="The request">
      {(request) =>
        request === null ? (
          <div className="flex flex-col gap-4">
            <Alert tone="warn" live>
              No request has the code {userCode}. It may have expired or been answered. Check the
              code, or start again in the program.
            </Alert>
            <CodeForm entered="" />
          </div>
        ) : (
          <LoginRequest request={request} />
        )
      }
    </ResourceCard>
  );
}
