import { getRouteApi } from "@tanstack/react-router";
import { type ReactElement, useEffect, useState } from "react";
import { CreatedKey } from "./created-key.js";
import { forgetNewKey, newKeySecret } from "./new-key-handoff.js";
import { KeyDetails } from "./key-details.js";

const route = getRouteApi("/app/settings/api-keys/$keyId");

export function ApiKeyPage(): ReactElement {
  const { keyId } = route.useParams();
  return <KeyPage key={keyId} keyId={keyId} />;
}

/** The secret right after creation, once; otherwise the key's details. */
function KeyPage({ keyId }: { keyId: string }): ReactElement {
  const [secret] = useState(() => newKeySecret(keyId));
  useEffect(forgetNewKey, []);
  return secret === null ? (
    <KeyDetails keyId={keyId} />
  ) : (
    <CreatedKey keyId={keyId} secret={secret} />
  );
}
