import { useNavigate } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import { userCodeFrom } from "#shared/identity/user-code.js";
import { paths } from "../../../paths/paths.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";

const notACode = "enter the eight letters that the program shows";

/** Asks for the code, and opens its request. */
export function CodeForm({ entered }: { entered: string }): ReactElement {
  const navigate = useNavigate();
  const [text, setText] = useState(entered);
  const [error, setError] = useState(entered === "" ? null : new Error(notACode));
  const submit = (): void => {
    const code = userCodeFrom(text);
    if (code === null) setError(new Error(notACode));
    else void navigate(paths.device({ code }));
  };
  return (
    <Form label="Code" onSubmit={submit} error={error} isShownAtField pending={false}>
      <TextField
        label="Code"
        name="code"
        placeholder="XXXX-XXXX"
        hint="As in BCDF-GHJK, with or without the hyphen."
        maxLength={32}
        autoCapitalize="characters"
        spellCheck={false}
        className="max-w-52 font-mono uppercase"
        value={text}
        onChange={(next) => {
          setText(next);
          setError(null);
        }}
        error={error?.message}
      />
      <div className="flex justify-end">
        <SubmitButton>Continue</SubmitButton>
      </div>
    </Form>
  );
}
