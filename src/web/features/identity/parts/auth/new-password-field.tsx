import { type ReactElement, useState } from "react";
import { Button } from "../../../../ui/actions/button.js";
import { TextField } from "../../../../ui/fields/field.js";

interface NewPasswordFieldProps {
  label?: string;
  name?: string;
  value: string;
  onChange: (value: string) => void;
  error: string | undefined;
}

/** A field for a new password. It can be revealed, since a typo would lock the user out. */
export function NewPasswordField({
  label = "New password",
  name = "new_password",
  value,
  onChange,
  error,
}: NewPasswordFieldProps): ReactElement {
  const [isShown, setShown] = useState(false);
  return (
    <TextField
      label={label}
      type={isShown ? "text" : "password"}
      name={name}
      autoComplete="new-password"
      spellCheck={false}
      autoCapitalize="none"
      hint="At least 8 characters, and not a common password."
      value={value}
      onChange={onChange}
      error={error}
      after={
        <Button
          aria-label={`${isShown ? "Hide" : "Show"} the ${label.toLowerCase()}`}
          className="min-w-16"
          onClick={() => setShown(!isShown)}
        >
          {isShown ? "Hide" : "Show"}
        </Button>
      }
    />
  );
}
