import { type ReactElement, useState } from "react";
import { Button, IconButton } from "../actions/button.js";
import { notify } from "./toast.js";

/**
 * Copies a text; also without the Clipboard API, which browsers omit on plain HTTP, common for
 * self-hosted servers.
 */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.setAttribute("readonly", "");
    area.style.position = "fixed";
    area.style.opacity = "0";
    const focused = document.activeElement;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return done;
  }
}

interface CopyProps {
  text: string;
  /** Accessible name, such as "Copy clone address". */
  label: string;
  /** Text after copying. */
  done?: string;
  onCopied?: () => void;
}

function useCopy({
  text,
  done = "Copied",
  onCopied,
}: CopyProps): [copied: boolean, run: () => void] {
  const [isCopied, setCopied] = useState(false);
  const run = async (): Promise<void> => {
    if (!(await copy(text))) {
      notify("Your browser refused to copy. Select the text and copy it.", "bad");
      return;
    }
    notify(done);
    onCopied?.();
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return [isCopied, () => void run()];
}

export function CopyIcon(props: CopyProps): ReactElement {
  const [isCopied, run] = useCopy(props);
  return (
    <IconButton
      label={props.label}
      icon={isCopied ? "check" : "copy"}
      onClick={run}
      className="-my-1 !size-7 shrink-0"
    />
  );
}

interface CopyButtonProps extends CopyProps {
  variant?: "primary" | "secondary";
  size?: "sm" | "md";
}

export function CopyButton({
  variant = "secondary",
  size = "md",
  ...props
}: CopyButtonProps): ReactElement {
  const [isCopied, run] = useCopy(props);
  return (
    <Button variant={variant} size={size} icon={isCopied ? "check" : "copy"} onClick={run}>
      {props.label}
    </Button>
  );
}

/** A command or an address in full, with a copy button. */
export function CopyLine(props: Pick<CopyProps, "text" | "label" | "onCopied">): ReactElement {
  return (
    <div className="flex min-w-0 items-center gap-1 rounded-md border border-line bg-sunken py-0.5 pr-0.5 pl-2.5">
      <code className="min-w-0 flex-1 py-1 font-mono text-[13px] break-all whitespace-pre-wrap">
        {props.text}
      </code>
      <CopyIcon {...props} />
    </div>
  );
}

/** A commit's id: its first twelve characters; the tooltip and the clipboard get the full id. */
export function CommitId({ sha }: { sha: string }): ReactElement {
  return (
    <span className="inline-flex items-center gap-0.5">
      <code title={sha} className="font-mono text-[13px]">
        {sha.slice(0, 12)}
      </code>
      <CopyIcon text={sha} label="Copy commit id" />
    </span>
  );
}
