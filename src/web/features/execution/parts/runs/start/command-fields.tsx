import type { ReactElement } from "react";
import type { FormState } from "../../../../../forms/use-form.js";
import { Button } from "../../../../../ui/actions/button.js";
import { TextArea, TextField } from "../../../../../ui/fields/field.js";
import { Segments } from "../../../../../ui/fields/radio.js";
import { visible } from "../../../../../ui/text/plain-text.js";
import { wordsOf } from "../../../../../components/command/command-line.js";
import { demoScript, type RunValues } from "../run-values.js";

/** A command of the user's own: words, or a script of a shell. */
export function CommandFields({ form }: { form: FormState<RunValues> }): ReactElement {
  const { values } = form;
  const parsed = wordsOf(values.line);
  const isBlank = values.line.trim() === "" && values.script.trim() === "";
  return (
    <>
      <Segments
        legend="What to run"
        hideLegend
        value={values.kind}
        onChange={(kind) => form.set({ kind })}
        options={[
          { value: "command", label: "Command" },
          { value: "script", label: "Shell script" },
        ]}
      />
      {values.kind === "command" ? (
        <TextField
          label="Command"
          {...form.field("line")}
          placeholder="ls -l"
          className="font-mono"
          error={"error" in parsed ? parsed.error : form.errorOf("command")}
          hint={
            "words" in parsed && parsed.words.length > 0 ? (
              <span data-testid="parsed">
                Runs as{" "}
                <code className="font-mono [overflow-wrap:anywhere]">
                  {visible(JSON.stringify(parsed.words))}
                </code>
              </span>
            ) : (
              "Quotes group words. No shell is used: variables and pipes do not work."
            )
          }
        />
      ) : (
        <TextArea
          label="Shell script"
          rows={6}
          spellCheck={false}
          {...form.field("script")}
          error={form.errorOf("command")}
          hint={`Runs as ["sh", "-c", …].`}
        />
      )}
      {isBlank && (
        <div>
          <Button size="sm" onClick={() => form.set({ kind: "script", script: demoScript })}>
            Insert a demo script
          </Button>
        </div>
      )}
    </>
  );
}
