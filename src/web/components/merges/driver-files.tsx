import type { ReactElement } from "react";
import type { DriverFile } from "#shared/api/projects/merges.js";
import { Badge } from "../../ui/feedback/badge.js";
import { Card } from "../../ui/layout/card.js";
import { Table } from "../../ui/tables/table.js";
import { PlainText } from "../../ui/text/plain-text.js";

/** The files that both sides changed and that have a merge driver, with its result; none without them. */
export function DriverFiles({ files }: { files: readonly DriverFile[] }): ReactElement | null {
  if (files.length === 0) return null;
  return (
    <Card title="Merge drivers">
      <div className="-m-4">
        <Table
          label="Files with a merge driver"
          rows={files}
          rowKey={({ path }) => path}
          columns={[
            {
              name: "File",
              renderCell: ({ path }) => (
                <PlainText value={path} className="font-mono text-[13px] break-all" />
              ),
            },
            { name: "Driver", renderCell: ({ driver }) => <Badge>{driver}</Badge> },
            { name: "Result", renderCell: (file) => <Result file={file} /> },
          ]}
        />
      </div>
    </Card>
  );
}

const results: Record<DriverFile["result"], string> = {
  merged: "Merged by the driver.",
  conflict: "Conflict, decided by the strategy:",
  lines: "Merged by lines:",
};

function Result({ file: { result, reason } }: { file: DriverFile }): ReactElement {
  return (
    <>
      {results[result]} {reason !== null && <PlainText value={reason} />}
    </>
  );
}
