import { type ReactElement, useState } from "react";
import type { Organization } from "#shared/api/organizations.js";
import { StatusDot } from "../../ui/badge.js";
import { Button } from "../../ui/button.js";
import { Card } from "../../ui/card.js";
import { TextArea, TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { DangerZone } from "./danger-zone.js";
import { SettingsHint } from "./permission-hint.js";
import type { Refusal } from "./permissions.js";
import { SlugHint, SlugStatus, useSlugCheck } from "./slug-check.js";
import { type OrganizationChange, useUpdateOrganization } from "./update.js";

interface TabProps {
  organization: Organization;
  refusal: Refusal;
}

export function GeneralTab({ organization, refusal }: TabProps): ReactElement {
  const [name, setName] = useState(organization.name);
  const [slug, setSlug] = useState(organization.slug);
  const [isSlugOpen, setSlugOpen] = useState(false);
  const [description, setDescription] = useState(organization.description ?? "");
  const [billingEmail, setBillingEmail] = useState(organization.billing_email ?? "");

  const save = useUpdateOrganization(organization.id, "Changes saved", () => setSlugOpen(false));
  const check = useSlugCheck({
    slug,
    orgId: organization.id,
    isNew: slug !== organization.slug,
    refusal: save.error,
  });
  const errors = {
    name: save.error?.field("name"),
    slug: check.error,
    description: save.error?.field("description"),
    billingEmail: save.error?.field("billing_email"),
  };
  const writeReason = refusal("org:write");
  const billingReason = refusal("org:billing:write");

  /** Only what was changed, so that nobody needs a permission for a field left alone. */
  const handleSubmit = (): void => {
    const change: OrganizationChange = {};
    if (name !== organization.name) change.name = name;
    if (slug !== organization.slug) change.slug = slug;
    if (description !== (organization.description ?? ""))
      change.description = description.trim() || null;
    if (billingEmail !== (organization.billing_email ?? ""))
      change.billing_email = billingEmail.trim() || null;
    save.submit(change);
  };

  return (
    <div className="flex flex-col gap-4">
      <Card>
        <Form
          label="General"
          onSubmit={handleSubmit}
          error={save.error}
          isShownAtField={Object.values(errors).some(Boolean)}
          className="max-w-xl"
        >
          <SettingsHint reason={writeReason} />
          <TextField
            label="Name"
            name="name"
            value={name}
            onChange={setName}
            error={errors.name}
            disabledReason={writeReason}
          />
          <TextField
            label="Slug"
            name="slug"
            value={slug}
            onChange={setSlug}
            readOnly={!isSlugOpen}
            error={errors.slug}
            disabledReason={writeReason}
            className="font-mono text-[13px] read-only:bg-sunken"
            after={
              !isSlugOpen && (
                <Button
                  icon="edit"
                  title="Edit the slug"
                  disabledReason={writeReason}
                  onClick={() => setSlugOpen(true)}
                >
                  Edit
                </Button>
              )
            }
            hint={
              <SlugHint slug={slug} check={check} onTake={setSlug}>
                {isSlugOpen
                  ? "Part of addresses. The old slug keeps working and is never given to another organization."
                  : "Part of addresses, such as the one git clones from."}
              </SlugHint>
            }
          />
          <SlugStatus slug={slug} check={check} />
          <TextArea
            label="Description"
            name="description"
            value={description}
            onChange={setDescription}
            error={errors.description}
            disabledReason={writeReason}
          />
          <TextField
            label="Billing e-mail"
            name="billing_email"
            type="email"
            value={billingEmail}
            onChange={setBillingEmail}
            error={errors.billingEmail}
            disabledReason={billingReason}
            hint={writeReason === undefined ? billingReason : undefined}
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
          <div>
            <Button
              type="submit"
              variant="primary"
              pending={save.pending}
              disabledReason={billingReason === undefined ? undefined : writeReason}
            >
              Save Changes
            </Button>
          </div>
        </Form>
      </Card>
      <DangerZone organization={organization} refusal={refusal} />
    </div>
  );
}
