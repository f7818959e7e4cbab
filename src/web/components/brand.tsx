import type { ReactElement } from "react";
import icon from "./icon.svg";

export function Brand(): ReactElement {
  return (
    <span className="inline-flex items-center gap-2 text-base font-semibold tracking-tight">
      <img src={icon} alt="" width="24" height="24" />
      Omoi
    </span>
  );
}
