import type { ComponentProps, MouseEvent, ReactElement } from "react";
import { Icon, type IconName, Spinner } from "./icons.js";

type Variant = "primary" | "secondary" | "ghost" | "danger";
type Size = "sm" | "md";

const variants: Record<Variant, string> = {
  primary: "bg-accent text-on-accent hover:bg-accent-strong",
  secondary: "bg-surface text-ink ring-1 ring-inset ring-line hover:bg-sunken",
  ghost: "text-muted hover:bg-sunken hover:text-ink",
  danger: "bg-danger text-on-accent hover:bg-danger-strong",
};
const sizes: Record<Size, string> = { sm: "h-8 px-2.5 text-[13px]", md: "h-9 px-3.5" };

/** Returns the classes of a button, for links that look like one. */
export function buttonClass(variant: Variant = "secondary", size: Size = "md"): string {
  return `inline-flex items-center justify-center gap-1.5 rounded-md font-medium whitespace-nowrap select-none transition-colors forced-colors:border aria-disabled:opacity-55 ${sizes[size]} ${variants[variant]}`;
}

interface ButtonProps extends ComponentProps<"button"> {
  variant?: Variant;
  size?: Size;
  icon?: IconName;
  /** In progress: clicks are ignored. */
  pending?: boolean;
  /** Why the viewer may not use it. The button stays focusable, so that everyone can find the reason. */
  disabledReason?: string | undefined;
}

export function Button({
  variant = "secondary",
  size = "md",
  icon,
  pending = false,
  disabledReason,
  type = "button",
  onClick,
  children,
  className = "",
  ...rest
}: ButtonProps): ReactElement {
  const isOff = pending || disabledReason !== undefined;
  const handleClick = (event: MouseEvent<HTMLButtonElement>): void => {
    if (isOff) event.preventDefault();
    else onClick?.(event);
  };
  return (
    <button
      {...rest}
      {...(isOff ? { "aria-disabled": true } : {})}
      {...(disabledReason === undefined ? {} : { title: disabledReason })}
      type={type}
      aria-busy={pending || undefined}
      onClick={handleClick}
      className={`${buttonClass(variant, size)} ${className}`}
    >
      {pending ? <Spinner /> : icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

/** A square icon button; its label is the accessible name and the tooltip. */
export function IconButton({
  label,
  icon,
  className = "",
  ...rest
}: ComponentProps<"button"> & { label: string; icon: IconName }): ReactElement {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      {...rest}
      className={`inline-flex size-8 shrink-0 items-center justify-center rounded-md text-muted transition-colors hover:bg-sunken hover:text-ink ${className}`}
    >
      <Icon name={icon} />
    </button>
  );
}
