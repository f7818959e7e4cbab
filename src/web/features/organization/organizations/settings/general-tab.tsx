import { type ReactElement, useRef, useState } from "react";
import type { Organization } from "#shared/api/organization/organizations.js";
import { StatusDot } from "../../../../ui/feedback/badge.js";
import { Button } from "../../../../ui/actions/button.js";
import { Card } from "../../../../ui/layout/card.js";
import { ActionRow, DangerZone } from "../../../../ui/layout/danger-zone.js";
import { TextArea, TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { SettingsHint } from "../../../../access/permission-hint.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { ArchiveOrganization } from "./archive-organization.js";
import { TransferOwnership } from "../members/transfer-ownership.js";
import { SlugHint, SlugStatus, useSlugCheck } from "./slug-check.js";
import { SecretsCard } from "../../../execution/parts/secrets/secrets-card.js";
import { slugCodes } from "../../parts/suggested-slug.js";
import { useOrganizationForm } from "./update.js";

interface TabProps {
  organization: Organization;
  refusal: DenyReason;
}

export function GeneralTab({ organization, refusal }: TabProps): ReactElement {
  const [isSlugOpen, setSlugOpen] = useState(false);
  const slugField = useRef<HTMLInputElement>(null);
  const form = useOrganizationForm({
    organization,
    savedOf: ({ name, slug: current, description }) => ({
      name,
      slug: current,
      description: description ?? "",
    }),
    toBody: (values, changed) => ({
      ...(changed.has("name") ? { name: values.name } : {}),
      ...(changed.has("slug") ? { slug: values.slug } : {}),
      ...(changed.has("description") ? { description: values.description.trim() || null } : {}),
    }),
    fieldOf: slugCodes,
    successMessage: "Changes saved",
    onDone: () => setSlugOpen(false),
  });
  const { slug } = form.values;
  const setSlug = (next: string): void => form.set({ slug: next });
  const check = useSlugCheck({
    slug,
    orgId: organization.id,
    isNew: slug !== organization.slug,
    refusal: form.error,
  });
  const writeReason = refusal("org:write");

  return (
    <div className="flex flex-col gap-4">
      <Card>
        <Form label="General" {...form.props} className="max-w-xl">
          <SettingsHint reason={writeReason} />
          <TextField label="Name" {...form.field("name")} disabledReason={writeReason} />
          <TextField
            label="Slug"
            {...form.field("slug")}
            ref={slugField}
            readOnly={!isSlugOpen}
            error={form.field("slug").error ?? check.error}
            disabledReason={writeReason}
            className="font-mono text-[13px] read-only:bg-sunken"
            after={
              !isSlugOpen && (
                <Button
                  icon="edit"
                  title="Edit the slug"
                  disabledReason={writeReason}
                  onClick={() => {
                    setSlugOpen(true);
                    slugField.current?.focus();
                  }}
                >
                  Edit
                </Button>
              )
            }
            hint={
              <SlugHint slug={slug} check={check} onTake={setSlug}>
                {isSlugOpen
                  ? "Part of addresses. The old slug keeps working and is never given to another organization."
                  : "Part of URLs, such as clone URLs."}
              </SlugHint>
            }
          />
          <SlugStatus slug={slug} check={check} />
          <TextArea
            label="Description"
            {...form.field("description")}
            disabledReason={writeReason}
          />
          <div>
            <p className="text-[13px] font-medium">Status</p>
            <p className="mt-1">
              {organization.is_active ? (
                <StatusDot tone="good">Active</StatusDot>
              ) : (
                <StatusDot tone="neutral">Archived</StatusDot>
              )}
            </p>
          </div>
          <SubmitButton disabledReason={writeReason} className="self-start">
            Save Changes
          </SubmitButton>
        </Form>
      </Card>
      <SecretsCard owner={{ orgId: organization.id, projectId: null }} refusal={refusal} />
      <DangerZone>
        <ActionRow
          title="Transfer ownership"
          description="Makes another person the owner. You become an admin."
        >
          <TransferOwnership organization={organization} reason={refusal("org:transfer")} />
        </ActionRow>
        <ActionRow
          title="Archive organization"
          description="Stops all runs and makes everything read-only. An owner can restore it."
        >
          <ArchiveOrganization organization={organization} refusal={refusal} />
        </ActionRow>
      </DangerZone>
    </div>
  );
}
