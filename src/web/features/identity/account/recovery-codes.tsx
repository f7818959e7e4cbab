import { type ReactElement, useEffect, useRef } from "react";
import { Alert } from "../../../ui/feedback/alert.js";
import { Button } from "../../../ui/actions/button.js";
import { CopyButton } from "../../../ui/feedback/copy-button.js";

function download(codes: readonly string[]): void {
  const text = `Recovery codes of ${location.origin}\nEach works once.\n\n${codes.join("\n")}\n`;
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = "omoi-recovery-codes.txt";
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** The recovery codes, shown once. */
export function RecoveryCodes({
  codes,
  onDone,
}: {
  codes: readonly string[];
  onDone: () => void;
}): ReactElement {
  const heading = useRef<HTMLHeadingElement>(null);
  // The focused element was removed, so move the focus here.
  useEffect(() => heading.current?.focus(), []);
  return (
    <div className="flex flex-col gap-4">
      <h3 ref={heading} tabIndex={-1} className="font-semibold outline-none">
        Your recovery codes
      </h3>
      <Alert tone="warn" live>
        Save these codes where you can find them without your phone. They are not shown again. Each
        one signs you in once in place of the app.
      </Alert>
      <ul
        aria-label="Recovery codes"
        className="grid grid-cols-2 gap-x-6 gap-y-1 rounded-md border border-line bg-sunken px-3 py-2.5 font-mono text-[13px] sm:max-w-sm"
      >
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ul>
      <div className="flex flex-wrap gap-2">
        <CopyButton label="Copy codes" text={codes.join("\n")} done="Recovery codes copied" />
        <Button icon="download" onClick={() => download(codes)}>
          Download
        </Button>
        <Button variant="primary" onClick={onDone}>
          I have saved them
        </Button>
      </div>
    </div>
  );
}
