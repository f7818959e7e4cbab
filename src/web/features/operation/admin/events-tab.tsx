import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { InstallationEvent } from "#shared/api/operation/admin.js";
import { deletedUser } from "#shared/organization/audit.js";
import { installationActions } from "#shared/organization/installation-audit.js";
import { paths } from "../../../paths/paths.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { Time } from "../../../ui/text/time.js";
import { CursorTable } from "./cursor-table.js";
import { installationEventList } from "../../../api/queries/operation/admin.js";

/** The installation's audit log: actions of operators and super admins, newest first. */
export function EventsTab(): ReactElement {
  return (
    <div className="flex flex-col gap-4">
      <p className="text-muted">
        Each event contains the hash of the previous event. An operator detects edits and gaps with{" "}
        <code className="font-mono text-[13px]">omoi admin verify</code>.
      </p>
      <CursorTable
        label="events"
        list={installationEventList}
        empty="No events yet."
        rowKey={({ id }) => id}
        columns={[
          { name: "When", renderCell: ({ at }) => <Time value={at} withSeconds /> },
          {
            name: "Who",
            renderCell: ({ actor }) => (
              <>
                <PlainText value={actor.name} />
                {actor.type === "operator" && (
                  <span className="block text-[13px] text-muted">Command line</span>
                )}
              </>
            ),
          },
          {
            name: "What",
            renderCell: ({ action, target }) => (
              <>
                {installationActions[action]}
                {target !== null && <Target target={target} />}
              </>
            ),
          },
        ]}
      />
    </div>
  );
}

function Target({
  target: { type, id, name },
}: {
  target: NonNullable<InstallationEvent["target"]>;
}): ReactElement {
  return (
    <span className="block [overflow-wrap:anywhere]">
      {name === deletedUser || type !== "user" ? (
        <PlainText value={name} />
      ) : (
        <Link {...paths.adminUser(id)} className="hover:underline">
          <PlainText value={name} />
        </Link>
      )}
    </span>
  );
}
