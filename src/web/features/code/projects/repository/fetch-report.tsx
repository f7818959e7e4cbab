import type { ReactElement } from "react";
import type { FetchReport as Report, Project } from "#shared/api/code/projects.js";
import { CopyLine } from "../../../../ui/feedback/copy-button.js";
import { formatNumber } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";

const mono = "font-mono text-[13px]";

/** Changes found by the last fetch; nothing if it found none. */
export function FetchReport({
  project,
  report,
}: {
  project: Project;
  report: Report | null;
}): ReactElement | null {
  if (report === null) return null;
  const { created, updated, protected: kept, diverged, gone, refused = [] } = report;
  const lists = [created, updated, kept, diverged, gone, refused];
  const isQuiet = lists.every((list) => list.length === 0);
  const command = commandFor(project, diverged);
  return (
    <div className="flex flex-col gap-2 border-t border-line pt-4">
      <p className="text-[13px] font-medium">The last fetch</p>
      {isQuiet && <p className="text-muted">There was nothing new.</p>}
      <Branches what="Moved forward:" names={updated} />
      <Branches what="New:" names={created} />
      <Branches
        what="Protected, left as they are (a fetch by a member who may change protection moves them):"
        names={kept}
      />
      <Branches what="Deleted upstream, kept here:" names={gone} />
      <Branches what="Left out, as their names look like a protected branch:" names={refused} />
      {diverged.length > 0 && (
        <>
          <p>With commits on both sides, and left as they are:</p>
          <ul className="list-disc pl-5 marker:text-muted">
            {diverged.map(({ branch, ahead, behind }) => (
              <li key={branch}>
                <PlainText value={branch} className={mono} />: {formatNumber(ahead)} here,{" "}
                {formatNumber(behind)} upstream
              </li>
            ))}
          </ul>
          {command !== null && (
            <>
              <p className="text-[13px] text-muted">
                To bring the two together, in a clone of this project on that branch:
              </p>
              <CopyLine text={command} label="Copy the commands" />
            </>
          )}
        </>
      )}
    </div>
  );
}

/** Returns a shell command; null if a branch name, which upstream controls, is unsafe in a shell. */
function commandFor({ default_branch }: Project, diverged: Report["diverged"]): string | null {
  const names = diverged.map(({ branch }) => branch);
  const name = names.includes(default_branch) ? default_branch : names[0];
  if (name === undefined || !/^[A-Za-z0-9][A-Za-z0-9._/-]*$/.test(name)) return null;
  return `git fetch origin refs/upstream/heads/${name} && git merge FETCH_HEAD && git push`;
}

function Branches({
  what,
  names,
}: {
  what: string;
  names: readonly string[];
}): ReactElement | null {
  if (names.length === 0) return null;
  return (
    <p>
      {what}{" "}
      {names.map((name, index) => (
        <span key={name}>
          {index > 0 && ", "}
          <PlainText value={name} className={mono} />
        </span>
      ))}
    </p>
  );
}
