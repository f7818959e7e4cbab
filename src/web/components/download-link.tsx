import type { ReactElement } from "react";
import { buttonClass } from "../ui/actions/button.js";
import { Icon } from "../ui/actions/icons.js";

/** A plain download link, authenticated by the session cookie. */
export function DownloadLink({
  href,
  label,
  text = "Download CSV",
  size = "sm",
}: {
  href: string;
  /** Names the download for screen readers. */
  label: string;
  text?: string;
  size?: "sm" | "md";
}): ReactElement {
  return (
    <a href={href} download aria-label={label} className={buttonClass("secondary", size)}>
      <Icon name="download" />
      {text}
    </a>
  );
}
