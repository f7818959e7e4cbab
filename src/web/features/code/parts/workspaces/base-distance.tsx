import type { ReactElement } from "react";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { countOf, formatNumber } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";

/** "3 commits ahead of main, 2 behind"; "Not known" if either branch is missing. */
export function BaseDistance({ workspace }: { workspace: Workspace }): ReactElement {
  const { ahead, behind, base_branch } = workspace;
  if (ahead === null || behind === null) return <span>Not known</span>;
  const base = <PlainText value={base_branch} />;
  if (ahead === 0 && behind === 0) return <span>Level with {base}</span>;
  return (
    <span>
      {ahead > 0 && `${countOf(ahead, "commit")} ahead of `}
      {ahead > 0 && base}
      {ahead > 0 && behind > 0 && ", "}
      {behind > 0 && `${ahead > 0 ? formatNumber(behind) : countOf(behind, "commit")} behind`}
      {behind > 0 && ahead === 0 && <> {base}</>}
    </span>
  );
}
